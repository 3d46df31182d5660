"""Rejected: input that could not be used, with its place in the log, the field and the reason.

Rule: nothing is silently dropped; a rejection is deduplicated by topic, partition, offset, index.
Flow: aggregate (or any reader) -> foretide.rejected -> audit.
"""

from __future__ import annotations

from msgspec import Struct

from models.domain.version import Version, version


class Rejected(Struct, frozen=True, kw_only=True):
    """One rejected message, or one element of a rejected array (``index``; None: the message).

    ``raw`` holds the original bytes, base64, cut after ``RAW_LIMIT`` bytes; ``size`` is the
    whole size.  ``field`` is a JSON path such as ``$.latency_s``, empty when it is not JSON.
    """

    v: Version = version()
    topic: str
    partition: int
    offset: int
    index: int | None
    field: str
    reason: str
    size: int
    raw: str


RAW_LIMIT = 4096
"""Bytes of the original kept in a rejection; its place in the log finds the rest."""
