"""The targets: when one is kept, and what the table of them says."""

from __future__ import annotations

import pytest

from lab.results import tables
from lab.results.targets import geometric_mean, judge, worst_first
from tests.lab.founds import a_cell, found


def test_a_target_is_kept_missed_or_cannot_be_told() -> None:
    fine = judge(found(a_cell()))
    assert set(fine.kept.values()) == {True}
    bad = judge(
        found(
            a_cell(),
            {
                "violation": 0.0101,
                "unserved": 0.001,
                "worst_hour_violation": 0.03,
                "cost_vs_tuned": 1.01,
                "actions_per_hour": 13.0,
            },
        )
    )
    assert set(bad.kept.values()) == {False}
    assert bad.missed == 5
    # hpa-tuned acts more often than 12 an hour: so may Foretide.
    assert judge(found(a_cell(), {"actions_per_hour": 13.0}, actions_per_hour=14.0)).kept["actions"]
    reached = dict.fromkeys(("unserved", "worst_hour_violation", "actions_per_hour"))
    unreached = judge(found(a_cell(), {"unserved": 9.0, "cost_vs_tuned": None}, **reached))
    assert [n for n, kept in unreached.kept.items() if kept is None] == [
        "unserved",
        "worst hour",
        "vs tuned",
    ]
    assert unreached.missed == 0


def test_over_the_budget_cost_is_a_miss_whatever_it_was() -> None:
    cheap = judge(found(a_cell(), {"violation": 0.0101, "cost_vs_tuned": 0.5}))
    assert [n for n, kept in cheap.kept.items() if kept is False] == ["violation", "vs tuned"]
    # Nor does it help that no HPA had so few: over the budget there is something to tell.
    alone = judge(found(a_cell(), {"violation": 0.0101, "cost_vs_tuned": None}))
    assert alone.kept["vs tuned"] is False
    assert judge(found(a_cell(), {"cost_vs_tuned": None})).kept["vs tuned"] is None
    assert judge(found(a_cell(), {"violation": 0.01, "cost_vs_tuned": 1.0})).kept["vs tuned"]


def test_the_mean_cost_is_told_within_the_budget_and_of_all() -> None:
    ours = ({"cost_vs_tuned": 0.9}, {"cost_vs_tuned": 1.6}, {"cost_vs_tuned": None})
    kept = [judge(found(a_cell(), some)) for some in ours]
    over = judge(found(a_cell(), {"violation": 0.3, "cost_vs_tuned": 0.3}))
    lines = {
        cells[1]: cells[2:-1]
        for line in tables.targets([*kept, over], kept, [over]).splitlines()
        if (cells := [cell.strip() for cell in line.split("|")])
    }
    of_cost = "cost over hpa-tuned's at equal violation, geometric mean of "
    told = {name: row for name, row in lines.items() if "at equal violation" in name}
    assert told == {
        "within the budget, and cost at most hpa-tuned's at equal violation": [
            "1 of 3",
            "1 of 2",
            "0 of 1",
            "2 of 6",
        ],
        f"{of_cost}those within the budget (target 0.9)": ["1.200", "1.200", "n.r.", "1.200"],
        f"{of_cost}all, over the budget or not": ["0.756", "1.200", "0.300", "0.756"],
    }


def test_the_worst_come_first() -> None:
    made = [
        judge(found(a_cell(startup_s=number), ours))
        for number, ours in enumerate(
            ({}, {"violation": 0.02}, {"violation": 0.5}, {"violation": 0.02, "unserved": 1.0})
        )
    ]
    assert [v.found.cell.startup_s for v in worst_first(made)] == [3, 2, 1, 0]


def test_a_geometric_mean_is_of_what_there_is() -> None:
    assert geometric_mean([0.5, None, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([None]) is None
