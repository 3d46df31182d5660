"""Bytes to records and back: typed decode, validation, and the reason when it does not hold.

Rule: a message is one event or a JSON array of them; what is wrong is said with its JSON path,
and a bad element never takes its neighbours with it.  Flow: aggregate's first step.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from models.domain.decision import Decision
from models.domain.forecast import Forecast, Proposal
from models.domain.load import Load, Progress
from models.domain.outcome import Outcome
from models.domain.rejected import RAW_LIMIT, Rejected
from models.domain.telemetry import MAX_AHEAD_S, ReplicaReport, Request, Resource, Telemetry

encode = msgspec.json.Encoder().encode
"""Any record to JSON; fields in the order of their definition, so equal records are equal bytes."""

_load_records = msgspec.json.Decoder(Load | Progress | list[Load | Progress]).decode
_load_record = msgspec.json.Decoder(Load | Progress).decode
decision = msgspec.json.Decoder(Decision).decode
forecast = msgspec.json.Decoder(Forecast).decode
proposal = msgspec.json.Decoder(Proposal).decode
outcome = msgspec.json.Decoder(Outcome).decode
rejected = msgspec.json.Decoder(Rejected).decode


Fault = tuple[int | None, str, str]
"""(index in the array or None, field as a JSON path, reason)"""


def load_records(value: bytes) -> list[Load | Progress]:
    """The records of a message of the load topic: one, or an array of them."""
    found = _load_records(value)
    return found if isinstance(found, list) else [found]


def loads(value: bytes | None) -> tuple[list[Load | Progress], list[Fault]]:
    """As ``load_records``, but what is wrong with an element is said, and its neighbours are kept.

    Never raises: whatever reads a load again (a new owner, a recording) gets the same of it.
    """
    try:
        return load_records(value or b""), []
    except REFUSALS as error:
        whole: Fault = (None, *why(error, value))
    elements = _parts(value or b"")
    if elements is None:
        return [], [whole]
    records: list[Load | Progress] = []
    faults: list[Fault] = []
    for index, element in enumerate(elements):
        try:
            records.append(_load_record(element))
        except REFUSALS as error:
            faults.append((index, *why(error, bytes(element))))
    return records, faults


class _StrictRequest(Request, frozen=True, kw_only=True, tag="request", forbid_unknown_fields=True):
    """A request without unknown fields: the common case, decoded in one pass."""


class _StrictResource(
    Resource, frozen=True, kw_only=True, tag="resource", forbid_unknown_fields=True
):
    """As ``_StrictRequest``."""


class _StrictReplicas(
    ReplicaReport, frozen=True, kw_only=True, tag="replicas", forbid_unknown_fields=True
):
    """As ``_StrictRequest``."""


_Strict = _StrictRequest | _StrictResource | _StrictReplicas
_strict_one = msgspec.json.Decoder(_Strict).decode
_strict_many = msgspec.json.Decoder(list[_Strict]).decode
_lenient = msgspec.json.Decoder(Telemetry).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPLITTER = json.JSONDecoder(
    parse_int=lambda _: 0, parse_float=lambda _: 0, parse_constant=lambda _: 0, strict=False
)
"""Finds where a value ends; numbers of any length are no concern of it."""
_BLANK = re.compile(r"[ \t\n\r]*")
_PATH = re.compile(r" - at `(?P<path>[^`]*)`$")
_NOT_A_NUMBER = re.compile(rb"[:\[,]\s*(-?(?:NaN|Infinity))\b")
_KNOWN: dict[type, frozenset[str]] = {
    kind: frozenset({"kind", *kind.__struct_fields__})
    for kind in (Request, Resource, ReplicaReport)
}
REFUSALS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


@dataclass(slots=True)
class Decoded:
    """Events of one message in order, what was refused of it, and fields nobody knows."""

    events: list[Telemetry]
    rejected: list[Fault] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)


def plain(value: bytes) -> Telemetry | None:
    """One event that is valid and has no unknown field; None for anything else."""
    try:
        event: Telemetry = _strict_one(value)
    except REFUSALS:
        return None
    return event


def telemetry(value: bytes | None, appended_at: float) -> Decoded:
    """Decode and validate one message.

    ``appended_at`` is when the log took it in, Unix seconds of the pipeline's clock: an ``at``
    more than ``MAX_AHEAD_S`` after it is refused.  Never raises.
    """
    if not value:
        reason = "the message is empty" if value is not None else "the message has no value"
        return Decoded([], [(None, "", reason)])
    is_array = value.lstrip()[:1] == b"["
    try:
        events: list[Telemetry] = list(_strict_many(value)) if is_array else [_strict_one(value)]
    except REFUSALS:
        return _one_by_one(value, appended_at, is_array=is_array)
    limit = appended_at + MAX_AHEAD_S
    if any(event.at > limit for event in events):
        return _one_by_one(value, appended_at, is_array=is_array)
    return Decoded(events)


def _one_by_one(value: bytes, appended_at: float, *, is_array: bool) -> Decoded:
    decoded = Decoded([])
    if not is_array:
        _element(value, None, appended_at, decoded)
        return decoded
    elements = _parts(value)
    if elements is None:
        decoded.rejected.append((None, *why(_fault_of(value), value)))
        return decoded
    for index, element in enumerate(elements):
        _element(bytes(element), index, appended_at, decoded)
    return decoded


def _parts(value: bytes) -> Sequence[msgspec.Raw | bytes] | None:
    """The elements of an array, as they stand; None: it is no array that ends.

    msgspec does not split where an element is no JSON (NaN) or has half a character (the escape
    of a lone surrogate); Python's own parser goes over both, so that only they are refused.
    """
    try:
        return _elements(value)
    except REFUSALS:
        pass
    text = value.decode("utf-8", "surrogateescape")
    parts: list[bytes] = []
    at = _after(_BLANK, text, 0)
    try:
        while at < len(text) and text[at] == ("," if parts else "["):
            begin = _after(_BLANK, text, at + 1)
            _, end = _SPLITTER.raw_decode(text, begin)
            parts.append(text[begin:end].encode("utf-8", "surrogateescape"))
            at = _after(_BLANK, text, end)
    except (ValueError, RecursionError):
        return None
    ends = parts and text[at : at + 1] == "]" and _after(_BLANK, text, at + 1) == len(text)
    return parts if ends else None


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _fault_of(value: bytes) -> Exception:
    """What ``_elements`` says of what it does not split."""
    try:
        _elements(value)
    except REFUSALS as error:
        return error
    raise AssertionError("asked of an array that it splits")


def _element(value: bytes, index: int | None, appended_at: float, decoded: Decoded) -> None:
    try:
        event = _lenient(value)
        said = _object(value).keys()  # A key that is not UTF-8 is refused here alone.
    except REFUSALS as error:
        decoded.rejected.append((index, *why(error, value)))
        return
    ahead = event.at - appended_at
    if ahead > MAX_AHEAD_S:
        reason = f"at is {ahead:.3f} s ahead of the log's append time, {MAX_AHEAD_S:g} s allowed"
        decoded.rejected.append((index, "$.at", reason))
        return
    decoded.unknown.update(said - _KNOWN[type(event)])
    decoded.events.append(event)


def why(error: Exception, value: bytes | None) -> tuple[str, str]:
    """Field (a JSON path, empty when it is not JSON) and reason, for a person.

    ``error`` is one of ``REFUSALS``, raised by a decoder that was given ``value``.
    """
    if isinstance(error, RecursionError):
        return "", "nested too deeply"
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        number = _NOT_A_NUMBER.search(value or b"")
        if number is not None:
            text = f"{number[1].decode()} is not JSON: numbers must be finite ({text})"
        return "", text
    found = _PATH.search(text)
    if found is not None:
        reason = text[: found.start()]
        if found["path"].endswith(".v"):
            reason = f"unknown schema version: {reason}"
        return found["path"], reason
    missing = re.search(r"missing required field `([^`]+)`", text)
    return f"$.{missing[1]}" if missing is not None else "$", text


def rejection(
    topic: str, partition: int, offset: int, value: bytes | None, fault: Fault
) -> Rejected:
    """The record that goes to foretide.rejected for one fault of one message."""
    index, path, reason = fault
    raw = value or b""
    return Rejected(
        topic=topic,
        partition=partition,
        offset=offset,
        index=index,
        field=path,
        reason=reason,
        size=len(raw),
        raw=base64.b64encode(raw[:RAW_LIMIT]).decode("ascii"),
    )
