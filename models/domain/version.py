"""Version: the schema version that every record carries, written and checked alike.

Rule: a field with a default may be added within a version, because older readers pass over it and
newer ones read records without it; any other change of a record's form or meaning raises it, and
a reader refuses a record newer than itself, since it cannot know what that means.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

VERSION = 1
"""Of every record that Foretide reads or writes, telemetry and its own alike."""

Version = Annotated[int, Meta(ge=1, le=VERSION)]


def _own() -> int:
    return VERSION


def version() -> int:
    """Default of a record's ``v``.

    A factory, so that ``omit_defaults`` does not leave it out; a record that does not say was
    written when version 1 was left out, and is read as such.
    """
    made: int = field(default_factory=_own)
    return made
