"""Old and new side by side: what may be added to a record, and what is refused; for every record.

The records are found by looking, not by a list, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import inspect

import models.domain.decision
import models.domain.forecast
import models.domain.load
import models.domain.outcome
import models.domain.rejected
import models.domain.telemetry
from models.domain.version import VERSION
from streams import codec, steplog
from streams.schemas import RECORDS
from streams.telemetry import TelemetryDecoder
from streams.topics import TABLE

OTHERWISE = {"workloads": "specs carry apiVersion", "snapshots": "sealed with their version"}
"""Topics whose values are not records with a ``v``."""


def telemetry(value: bytes) -> list[Any]:
    decoded = codec.telemetry(value, 1e9)
    if decoded.rejected:
        raise msgspec.ValidationError(*decoded.rejected)
    return decoded.events


READ: dict[str, Callable[[bytes], Any]] = {
    "telemetry": telemetry,
    "load": codec.load_records,
    "steps": steplog.decode,
    "forecasts": codec.forecast,
    "proposals": codec.proposal,
    "decisions": codec.decision,
    "outcomes": codec.outcome,
    "rejected": codec.rejected,
}
"""What the roles and the command line read each topic with."""


def alternatives(kind: inspect.Type) -> Iterator[inspect.StructType]:
    """The structs that a topic's type may be."""
    if isinstance(kind, inspect.StructType):
        yield kind
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from alternatives(one)


CASES = [
    pytest.param(topic, struct, id=f"{topic}-{struct.cls.__name__}")
    for topic, record in RECORDS.items()
    for struct in alternatives(inspect.type_info(record))
]


@dataclass(frozen=True)
class How:
    """``full``: every optional field is there; ``more``: fields nobody knows as well."""

    full: bool
    more: bool = False


BARE, FULL, MORE, BARE_AND_MORE = (
    How(full=False),
    How(full=True),
    How(full=True, more=True),
    How(full=False, more=True),
)


@singledispatch
def sample(kind: Any, how: How) -> Any:
    """A value of a type, as JSON has it."""
    raise NotImplementedError(kind)


@sample.register
def _(kind: inspect.StructType, how: How) -> Any:
    given = [field for field in kind.fields if how.full or field.required]
    values = {field.encode_name: sample(field.type, how) for field in given}
    if kind.array_like:
        return [*values.values(), *(["new"] if how.more else [])]
    tag = {kind.tag_field: kind.tag} if kind.tag_field else {}
    return {**tag, **values, **({"new_field": {"a": [1]}} if how.more else {})}


@sample.register
def _(kind: inspect.UnionType, how: How) -> Any:
    return sample(next(t for t in kind.types if not isinstance(t, inspect.NoneType)), how)


@sample.register
def _(kind: inspect.Metadata, how: How) -> Any:
    return sample(kind.type, how)


@sample.register
def _(kind: inspect.DictType, how: How) -> Any:
    key = 1 if isinstance(kind.key_type, inspect.IntType) else "key"
    return {key: sample(kind.value_type, how)}


@sample.register(inspect.VarTupleType)
@sample.register(inspect.ListType)
def _(kind: Any, how: How) -> Any:
    return [sample(kind.item_type, how)]


@sample.register
def _(kind: inspect.TupleType, how: How) -> Any:
    return [sample(item, how) for item in kind.item_types]


for leaf, of in {
    inspect.LiteralType: lambda kind: kind.values[0],
    inspect.EnumType: lambda kind: next(iter(kind.cls)).value,
    inspect.StrType: lambda kind: "prod/bot" if kind.pattern else "text",
    inspect.IntType: lambda _: 1,
    inspect.FloatType: lambda _: 1.5,
    inspect.BoolType: lambda _: True,
    inspect.AnyType: lambda _: "anything",
}.items():
    sample.register(leaf)(lambda kind, _, of=of: of(kind))


def bytes_of(struct: inspect.StructType, how: How, **changed: Any) -> bytes:
    return json.dumps({**sample(struct, how), **changed}).encode()


@pytest.mark.parametrize(("topic", "struct"), CASES)
@pytest.mark.parametrize(("known_how", "how"), [(FULL, MORE), (BARE, BARE_AND_MORE)])
def test_fields_that_a_newer_worker_adds_are_passed_over(
    topic: str, struct: inspect.StructType, known_how: How, how: How
) -> None:
    """At every depth, in objects and in arrays alike."""
    read = READ[topic]
    known = read(bytes_of(struct, known_how))
    again = read(bytes_of(struct, how))
    assert codec.encode(again) == codec.encode(known)
    assert isinstance(again[0] if isinstance(again, list) else again, struct.cls)


@pytest.mark.parametrize(("topic", "struct"), CASES)
def test_a_record_says_its_version_and_one_of_another_is_refused_with_the_field(
    topic: str, struct: inspect.StructType
) -> None:
    read = READ[topic]
    known = read(bytes_of(struct, BARE))
    written = json.loads(codec.encode(known))
    assert (written[0] if isinstance(written, list) else written)["v"] == VERSION
    for other in (VERSION + 1, 0, -1, "1"):
        value = bytes_of(struct, FULL, v=other)
        with pytest.raises(msgspec.ValidationError) as refused:
            read(value)
        fault = refused.value.args if topic == "telemetry" else None
        field, reason = fault[0][1:] if fault else codec.why(refused.value, value)
        assert field == "$.v"
        assert "unknown schema version" in reason


@pytest.mark.parametrize(("topic", "struct"), CASES)
def test_a_record_without_an_added_field_is_read_by_the_newer(
    topic: str, struct: inspect.StructType
) -> None:
    """Each field with a default, left out alone: what an older worker did not know of."""
    read = READ[topic]
    whole = sample(struct, FULL)
    for field in struct.fields:
        if field.required:
            continue
        without = {name: value for name, value in whole.items() if name != field.encode_name}
        found = read(json.dumps(without).encode())
        one = found[0] if isinstance(found, list) else found
        expected = VERSION if field.name == "v" else _default(field)
        assert getattr(one, field.name) == expected, field.name


def _default(field: inspect.Field) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return msgspec.UNSET if field.default is msgspec.NODEFAULT else field.default


def test_every_topic_of_records_is_held_to_this() -> None:
    assert set(READ) == set(RECORDS) == set(TABLE) - set(OTHERWISE)


def test_every_record_of_the_domain_and_every_decoder_is_held_to_this() -> None:
    held = {param.values[1].cls for param in CASES}
    modules = [getattr(models.domain, name) for name in vars(models.domain) if name[0] != "_"]
    versioned = {
        found
        for module in [*modules, steplog]
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, msgspec.Struct)
        and "v" in found.__struct_fields__
    }
    bases = {models.domain.telemetry.Event}
    assert versioned - bases == held
    decoders = [
        found.__self__
        for module in (codec, steplog)
        for found in vars(module).values()
        if isinstance(getattr(found, "__self__", None), msgspec.json.Decoder)
    ]
    assert len(decoders) > 8
    for decoder in decoders:
        for struct in alternatives(inspect.type_info(decoder.type)):
            assert any(issubclass(struct.cls, record) for record in held), struct.cls


def test_a_bundle_of_loads_keeps_the_good_and_says_what_was_wrong_with_the_rest() -> None:
    load, progress = alternatives(inspect.type_info(models.domain.load.LoadRecord))
    good = [bytes_of(load, FULL), bytes_of(progress, FULL)]
    newer = bytes_of(load, FULL, v=VERSION + 1)
    records, faults = codec.loads(b"[" + b",".join([good[0], newer, good[1], b"7"]) + b"]")
    assert [type(record).__name__ for record in records] == ["Load", "Progress"]
    assert [(index, field) for index, field, _ in faults] == [(1, "$.v"), (3, "$")]
    for broken in (b"", None, b"{", b"[" * 10_000, b"\xff"):
        records, faults = codec.loads(broken)
        assert records == []
        assert len(faults) == 1


def test_telemetry_by_columns_passes_over_and_refuses_the_same() -> None:
    (struct,) = alternatives(inspect.type_info(models.domain.telemetry.Request))
    values = [
        bytes_of(struct, FULL),
        bytes_of(struct, MORE),
        bytes_of(struct, FULL, v=VERSION + 1),
    ]
    decoded = TelemetryDecoder().decode(values, np.full(3, 1e9))
    assert len(decoded.columns) == 2
    assert [(message, fault[1]) for message, fault in decoded.rejected] == [(2, "$.v")]
    assert decoded.unknown == {"new_field": 1}
