"""The HTML report and the table: what they say is what the rows say."""

from __future__ import annotations

import dataclasses
import io
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from lab.fluid.backtest import Backtest, Row, backtest
from lab.fluid.cells import groups, share
from lab.fluid.premises import premises
from lab.fluid.registry import POLICIES
from lab.fluid.report import rendered
from lab.fluid.table import table
from lab.fluid.trial import MOST
from lab.fluid.verdict import HINDSIGHT, duration, verdict
from lab.traces import Series
from models.domain.spec import AgentScaler
from tests.lab.fluids import made, trial


@pytest.fixture(scope="module")
def found() -> Backtest:
    rng = np.random.default_rng(4)
    values = rng.poisson(500 + 300 * np.sin(np.arange(80) / 6)).astype(float)
    series = dataclasses.replace(made(values), name="<b>mine</b> & yours")
    return backtest(trial(series, capacity=1.0, startup_s=50, least=1, most=MOST), list(POLICIES))


def row(**more: object) -> Row:
    empty = dict.fromkeys(Row.__struct_fields__)
    return Row(**(empty | {"policy": "x"} | more))  # type: ignore[arg-type]


def test_one_file_with_every_policy_and_nothing_from_elsewhere(found: Backtest) -> None:
    page = rendered(found, ["a flash crowd"])
    assert "<b>mine</b>" not in page
    assert "&lt;b&gt;mine&lt;/b&gt; &amp; yours" in page
    assert not re.search(r"(src|href)=|https?://|url\(", page)
    for policy in POLICIES:
        assert f'<td class="l">{policy}</td>' in page
    assert f"<td>{found.rows[0].cost_ratio:.2f}×</td>" in page  # noqa: RUF001 - as it is written
    assert "a flash crowd" in page
    assert all(line.partition("'")[0] in page for line in premises(found.trial))
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 6  # Each for a wide and for a narrow page.
    for chart in charts:
        numbers = [
            float(value)
            for element in ET.fromstring(chart).iter()  # noqa: S314 - our own
            for point in element.get("points", "").split()
            for value in point.split(",")
        ]
        assert all(0 <= value <= 960 for value in numbers)
    for chart in charts[:2]:
        frontier = ET.fromstring(chart)  # noqa: S314 - our own
        assert sum(element.get("class") == "candidate" for element in frontier.iter()) > 10
        names = [element.text for element in frontier.iter() if element.get("class") == "name"]
        assert [(name or "").split(" ")[0] for name in names] == list(POLICIES)


def test_premises_say_what_this_trial_rests_on() -> None:
    values = np.full(40, 5.0)
    spec = {"target": {"name": "bot"}, "slo": {"latencySeconds": 1.0}}

    def told(series: Series, **body: object) -> str:
        written = {"metadata": {"name": "bot"}, "spec": body}
        spec = AgentScaler.model_validate(written) if body else None
        return " ".join(premises(trial(series, seed=7), spec))

    assert "spread over its seconds from seed 7" in told(made(values))
    assert "the same in each of its seconds" in told(made(values + 0.5))
    recorded = told(made(values, seconds=np.repeat(values, 60) / 60), **spec)
    assert "as it was recorded" in recorded
    assert "spread" not in recorded
    assert "bounds and budget hold for every policy" in recorded
    assert "spec's bounds hold" in told(made(values), target={"name": "bot"})
    assert "name a tenant" not in recorded
    assert "name a tenant" in told(made(values, tenants={"a": values}))


def test_a_scored_half_without_demand_has_a_report_too() -> None:
    series = made([5.0] * 20 + [0.0] * 20)
    found = backtest(trial(series, capacity=1.0), ["foretide", "hpa", "clairvoyant"])
    page = rendered(found)
    assert "No policy had anything to serve" in page


def test_what_it_cannot_show_stands_below_the_verdict(found: Backtest) -> None:
    page = rendered(found, notes=["max 20 replicas holds <little>", "there is little to learn"])
    assert "<li>max 20 replicas holds &lt;little&gt;</li><li>there is little to learn</li>" in page
    assert page.index("budget") < page.index("max 20 replicas") < page.index("<svg")
    assert "What this cannot show" not in rendered(found)


def test_no_word_of_a_drawing_is_cut_off(found: Backtest) -> None:
    drawings = re.findall(r"<svg.*?</svg>", rendered(found), re.DOTALL)
    for drawing in drawings:
        svg = ET.fromstring(drawing)  # noqa: S314 - our own
        width, height = (float(size) for size in svg.attrib["viewBox"].split()[2:])
        for text in svg.iter("text"):
            x, y, wide = float(text.attrib["x"]), float(text.attrib["y"]), len(text.text or "") * 6
            begin = {"end": x - wide, "middle": x - wide / 2}.get(text.get("text-anchor", ""), x)
            assert begin >= -1, (text.text, begin)
            assert begin + wide <= width + 1, (text.text, begin + wide)
            assert 8 <= y <= height, (text.text, y)


def test_rows_are_in_the_order_in_which_they_are_read(found: Backtest) -> None:
    fair, known = groups(found)
    assert {name for name, _ in known.rows} == HINDSIGHT
    rows = {row.policy: row for row in found.rows}
    read = [rows[name] for name, _ in fair.rows]
    over = [(row.violation or 0.0) > found.trial.violations for row in read]
    assert over == sorted(over)
    kept = [row.cost_ratio or 0.0 for row, missed in zip(read, over, strict=True) if not missed]
    assert kept == sorted(kept)
    told = {name: cells[0] for name, cells in fair.rows}
    assert told == {
        row.policy: (share(row.violation), missed) for row, missed in zip(read, over, strict=True)
    }


def test_the_table_says_over_and_not_reached(found: Backtest) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    rows = [row(policy="late", cost_ratio=1.5, violation=0.0123), row(policy="never")]
    console.print(table(rows, found.trial))
    text = console.export_text()
    assert "1.23% over" in text
    assert re.search(r"never +n\.r\. +- +n\.r\.", text)


WEEK_S = 7 * 86_400.0


def test_the_verdict_says_who_kept_the_budget_and_who_was_cheapest() -> None:
    rows = [
        row(policy="foretide", cost_ratio=1.2, violation=0.009, regret=0.143),
        row(policy="hpa", cost_ratio=1.1, violation=0.02),
        row(policy="keda", cost_ratio=1.5, violation=0.0),
        row(policy="hpa-tuned", cost_ratio=1.05, violation=0.01),
        row(policy="clairvoyant", cost_ratio=1.0, violation=0.0),
    ]
    said = verdict(rows, 0.01, WEEK_S)
    assert said.headline == (
        "Foretide kept the violation budget (0.90% violations, 1.00% allowed) and was the cheapest "
        "of the 2 policies that did."
    )
    assert said.details == (
        "It cost 1.20 times the least possible, 20% less than the next, keda.",
        "Against the best HPA for this very trace, which only hindsight can pick "
        "(1.00% violations), it cost 14% more.",
        "Over the budget: hpa (2.00%).",
    )


@pytest.mark.parametrize(
    ("ours", "tuned", "static", "told"),
    [
        ((1.2, 0.009), (1.05, 0.01), (0.96, 0.01), True),
        ((1.2, 0.009), (1.05, 0.01), (1.1, 0.0), False),  # The best HPA was cheaper than it.
        ((1.2, 0.009), (1.3, 0.01), (1.2, 0.0), False),
        (
            (1.2, 0.011),
            (1.05, 0.01),
            (0.96, 0.01),
            False,
        ),  # Ours broke the budget.
        ((1.2, 0.009), None, (0.96, 0.01), True),
        ((1.2, 0.009), (0.9, 0.4), (0.96, 0.01), True),  # The best HPA broke it.
    ],
)
def test_the_verdict_names_a_number_that_never_changes_where_it_beats_ours_and_the_best_hpa(
    ours: tuple[float, float],
    tuned: tuple[float, float] | None,
    static: tuple[float, float],
    *,
    told: bool,
) -> None:
    rows = [
        row(policy="foretide", cost_ratio=ours[0], violation=ours[1], regret=0.1),
        row(policy="static", cost_ratio=static[0], violation=static[1]),
    ]
    if tuned is not None:
        rows.append(row(policy="hpa-tuned", cost_ratio=tuned[0], violation=tuned[1]))
    says = (
        "A number of replicas that never changes, which only hindsight can pick too, would have "
        "cost "
    )
    found = [detail for detail in verdict(rows, 0.01, WEEK_S).details if detail.startswith(says)]
    assert found == ([f"{says}20% less than Foretide."] if told else [])


@pytest.mark.parametrize(
    ("ours", "other", "says"),
    [
        ((1.2, 0.0), (1.1, 0.0), "allowed), but hpa did so for 8.3% less."),
        ((1.2, 0.02), (1.1, 0.0), "Foretide missed the violation budget (2.00% violations, 1.00% "),
        ((1.2, 0.02), (1.1, 0.0), "; hpa was the cheapest that kept it, at 1.10 times the least"),
        ((1.2, 0.02), (1.1, 0.02), ", and so did all others that do not know the trace."),
        ((1.2, 0.0), (1.1, 0.123), "the only policy that did without knowing the trace."),
        (None, (1.1, 0.0), "1 of 1 policies kept the violation budget"),
        (None, (1.1, 0.5), "No policy kept the violation budget"),
    ],
)
def test_the_verdict_is_as_plain_when_foretide_loses(
    ours: tuple[float, float] | None, other: tuple[float, float], says: str
) -> None:
    rows = [row(policy="hpa", cost_ratio=other[0], violation=other[1])]
    if ours is not None:
        rows.insert(0, row(policy="foretide", cost_ratio=ours[0], violation=ours[1]))
    assert says in verdict(rows, 0.01, WEEK_S).headline


@pytest.mark.parametrize(
    ("regret", "says"),
    [
        (0.1, "Foretide cost 10% more."),
        (0.0001, "Foretide cost as much."),
        (-0.0001, "Foretide cost as much."),
        (-0.3, "Foretide cost 30% less, as is easy for who breaks it."),
    ],
)
def test_over_the_budget_the_verdict_names_the_best_hpa_that_kept_it(
    regret: float, says: str
) -> None:
    rows = [
        row(policy="foretide", cost_ratio=1.2, violation=0.0166, regret=regret),
        row(policy="hpa", cost_ratio=1.1, violation=0.02),
        row(policy="hpa-tuned", cost_ratio=1.1, violation=0.0089),
        row(policy="static", cost_ratio=1.5, violation=0.006),
        row(policy="clairvoyant", cost_ratio=1.0, violation=0.0),
    ]
    said = verdict(rows, 0.01, WEEK_S)
    assert said.headline == (
        "Foretide missed the violation budget (1.66% violations, 1.00% allowed), and so did all "
        "others that do not know the trace."
    )
    assert said.details[1] == (
        "The best HPA for this very trace, which only hindsight can pick, kept the budget "
        f"(0.89% violations); {says}"
    )
    without = [one for one in rows if one.policy != "hpa-tuned"]
    assert not any("best HPA" in detail for detail in verdict(without, 0.01, WEEK_S).details)


def test_a_short_trace_is_called_short() -> None:
    rows = [row(policy="foretide", cost_ratio=1.2, violation=0.0)]
    assert "Only 29 min are scored" in verdict(rows, 0.01, 29 * 60.0).details[-1]
    assert [duration(s) for s in (90.0, 7200.0, 84 * 3600.0, WEEK_S)] == [
        "1.5 min",
        "2 h",
        "84 h",
        "7 days",
    ]
