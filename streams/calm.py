"""Calm: libraries' log lines that say the same again and again, said once in a while.

Why: while a broker is away aiokafka says so dozens of times a second, tracebacks among it.
"""

from __future__ import annotations

import logging
import time

EVERY_S = 10.0
"""How often the same is said."""

KNOWN = 1000
"""Different lines that are remembered."""


class Calm(logging.Filter):
    """Of records of some libraries with the same text before its numbers, one each ``EVERY_S``."""

    def __init__(self, libraries: tuple[str, ...]) -> None:
        """``libraries``: names of loggers, with all below them."""
        super().__init__()
        self._libraries = libraries
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}
        """When it was said last, by the machine's clock, and how often it was not since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is said; what was not is counted in the next that is."""
        if record.name.split(".", 1)[0] not in self._libraries:
            return True
        key = record.name, record.lineno, str(record.msg)
        now = time.monotonic()
        at, passed_over = self._said.get(key, (-EVERY_S, 0))
        if now - at < EVERY_S:
            self._said[key] = at, passed_over + 1
            return False
        if len(self._said) >= KNOWN:
            self._said.clear()
        self._said[key] = now, 0
        if passed_over:
            record.msg = f"{record.getMessage()} (and {passed_over} times more before)"
            record.args = ()
        return True
