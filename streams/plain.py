"""Plain words for what pydantic finds wrong with a value.

Rule: what a value must be, and what was given in its place where that is short; nothing about
parsing, and no word that only Python knows.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MUST_BE = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number, and a smaller one",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "path_type": "a path",
    "string_type": "text",
    "tuple_type": "a list",
}
"""By pydantic's name of the fault."""

LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "string_too_long": ("text of at most so many characters:", "max_length"),
    "string_too_short": ("text of at least so many characters:", "min_length"),
}

ENDS = {"less than", "at most"}

SHARE = " (a share: 1 % is 0.01)"
"""What ends at 1 is one everywhere in specs and settings."""


def plain(fault: ErrorDetails) -> str:
    """What is wrong, as the end of a sentence that begins with the field's name."""
    found = _must_be(fault)
    if found is None and fault["type"] == "value_error":
        return fault["msg"].removeprefix("Value error, ")  # Our own words.
    return f"{fault['msg'] if found is None else f'must be {found}'}{_given(fault['input'])}"


def _given(value: object) -> str:
    """As it is written in YAML or JSON, where that is short."""
    if isinstance(value, (dict, list)):
        return ""
    written = {None: "null", True: "true", False: "false"}
    found = written.get(value) if value is None or isinstance(value, bool) else None
    return f", not {found or reprlib.repr(value)}"


def _must_be(fault: ErrorDetails) -> str | None:
    kind, ctx = fault["type"], fault.get("ctx", {})
    if kind in LIMITS:
        words, name = LIMITS[kind]
        share = SHARE if ctx[name] == 1 and words in ENDS else ""
        return f"{words} {ctx[name]:g}{share}"
    if kind == "string_pattern_mismatch":
        return f"text that matches {ctx['pattern']}"
    if kind in {"literal_error", "enum"}:
        return str(ctx["expected"])
    return MUST_BE.get(kind)
