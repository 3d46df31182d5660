"""A fault in a spec file, and what a reading found.

Rule: printed as compilers do, so that editors jump to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.domain.spec import AgentScaler, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``line`` and ``column`` count from 1; ``field`` is a path such as ``spec.replicas.max``."""

    file: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f" {self.field}:" if self.field else ""
        return f"{self.file}:{self.line}:{self.column}:{where} {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Specs:
    """What was read; with faults the rest is still there, for showing, not for running."""

    scalers: tuple[AgentScaler, ...]
    pools: tuple[Pool, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
