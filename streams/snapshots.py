"""Snapshots: what a workload's planner knows, sealed for the compacted topic, and opened again.

Rule: data and nothing else (MessagePack into fixed types, never pickle); a seal that does not
fit, another version, or a form that does not decode is refused with the reason, and what it held
is learned again from the load log.
Flow: Fleet -> foretide.snapshots -> the partition's next owner.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from importlib import metadata
from typing import NamedTuple

import msgspec
from msgspec import Struct
from pydantic import SecretStr

from models.fleet import MemberState
from models.merge import MergeState

CHECKPOINT_KEY = "checkpoint"
"""Key of a partition's checkpoint; a workload's name has a slash."""

VERSION = f"foretide-snapshot/8 river/{metadata.version('river')}"
"""What a snapshot was written by: another form of state, or another River, is another version."""

_DIGEST = 16
_LEVEL = 3
"""Of zlib: a twentieth smaller than with 1, for 10 µs more; 6 would take twice as long."""

_LARGEST = 32 << 20
"""What a snapshot may unfold to, bytes: folded, a message has at most a megabyte."""


class Writer(NamedTuple):
    """Who wrote something of a partition: an owner, ordered among the owners there have been."""

    era: int
    generation: int


class Checkpoint(Struct, frozen=True, array_like=True, tag=True):
    """One load partition: from step ``position`` on the step log tells all that is not snapshots.

    ``position`` is an offset of the step log, ``loads`` the load log's next offset there, and
    ``merge`` how far the sources were; ``members`` have snapshots of ``position`` or later, at
    or behind offset ``since`` of this log; None: there are none.
    """

    partition: int
    writer: Writer
    position: int
    loads: int
    since: int | None
    members: list[str]
    merge: MergeState


class MemberSnapshot(Struct, frozen=True, array_like=True, tag=True):
    """One workload, as ``writer`` knew it."""

    writer: Writer
    member: MemberState


Snapshot = Checkpoint | MemberSnapshot

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode


class SnapshotError(Exception):
    """A snapshot that cannot be used; the text says why."""


class Sealer:
    """Seals and opens snapshots with a key; without one damage is seen, but not forgery."""

    def __init__(self, key: SecretStr | None) -> None:
        """``key``: of any length; it is hashed."""
        secret = b"" if key is None else key.get_secret_value().encode()
        self._key = hashlib.blake2b(secret).digest() if secret else b""

    def seal(self, snapshot: Snapshot) -> bytes:
        """Bytes for the topic: version line, seal, compressed state."""
        body = zlib.compress(_encode(snapshot), _LEVEL)
        return _HEAD + self._digest(body) + body

    def open(self, value: bytes) -> Snapshot:
        """The snapshot again.  Raises ``SnapshotError``."""
        head, line, rest = value.partition(b"\n")
        if head + line != _HEAD:
            written = head[:60].decode("utf-8", "replace")
            raise SnapshotError(f"it is of version {written!r}, this is {VERSION!r}")
        digest, body = rest[:_DIGEST], rest[_DIGEST:]
        if not hmac.compare_digest(digest, self._digest(body)):
            raise SnapshotError("its seal does not fit: damaged, or sealed with another key")
        try:
            unfolded = zlib.decompressobj().decompress(body, _LARGEST)
            snapshot: Snapshot = _decode(unfolded)
        except (zlib.error, msgspec.MsgspecError) as error:
            raise SnapshotError(f"it does not decode: {error}") from error
        return snapshot

    def _digest(self, body: bytes) -> bytes:
        return hashlib.blake2b(_HEAD + body, digest_size=_DIGEST, key=self._key).digest()


_HEAD = VERSION.encode() + b"\n"
