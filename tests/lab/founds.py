"""Finished cells for tests, by the figures that are given."""

from __future__ import annotations

from lab.fluid.backtest import Row
from lab.fluid.registry import POLICIES
from lab.results.cell import Cell, Found
from lab.results.on_plant import OnPlant


def row(policy: str, **more: float | None) -> Row:
    some = {
        "cost_ratio": 1.2,
        "violation": 0.005,
        "cost_at_1pct": 1.2,
        "cost_at_01pct": None,
        "cost_vs_tuned": 0.9,
        "unserved": 0.0,
        "worst_hour_violation": 0.02,
        "worst_tenant_violation": None,
        "actions_per_hour": 4.0,
        "regret": -0.1,
        "us_per_decision": None,
    }
    return Row(policy=policy, **(some | more))  # type: ignore[arg-type]


def found(cell: Cell, ours: dict[str, float | None] | None = None, **tuned: float | None) -> Found:
    rows = [row(name) for name in cell.policies]
    rows = [row("foretide", **(ours or {})) if r.policy == "foretide" else r for r in rows]
    rows = [row("hpa-tuned", **tuned) if r.policy == "hpa-tuned" else r for r in rows]
    return Found(
        cell=cell,
        rows=tuple(rows),
        frontier=((0.0, 1.4), (0.01, 1.2)),
        recovery_s=dict.fromkeys(cell.policies, 77.0) if cell.recipe == "step10x" else {},
        scored_h=12.0,
        took_s=60.0,
        regret=0.0432,
        on_plant=tuple(
            OnPlant(
                policy=name,
                replica_hours=3.0,
                violation=0.004 * cell.seed,
                latency_p95_s=None,
                dropped=0,
                actions=24,
            )
            for name in ("foretide", "static")
            if cell.part == "requests"
        ),
    )


def a_cell(**more: object) -> Cell:
    some = {"part": "traces", "trace": "t", "startup_s": 65.0, "policies": tuple(POLICIES)}
    return Cell(**(some | more))  # type: ignore[arg-type]
