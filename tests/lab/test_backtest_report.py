"""The HTML report and the table: what they say is what the rows say."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from lab.fluid.backtest import Backtest, Row, backtest
from lab.fluid.registry import POLICIES
from lab.fluid.report import render, verdict
from lab.fluid.table import assumptions, table
from lab.fluid.trial import MOST
from lab.report.charts import unit_of
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


def test_one_file_with_every_policy_and_nothing_from_elsewhere(
    found: Backtest, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    render(path, found, ["a flash crowd"])
    page = path.read_text(encoding="utf-8")
    assert "<b>mine</b>" not in page
    assert "&lt;b&gt;mine&lt;/b&gt; &amp; yours" in page
    assert not re.search(r"(src|href)=|https?://|url\(", page)
    for policy in POLICIES:
        assert f'<td class="l">{policy}</td>' in page
    assert f"{found.rows[0].cost_ratio:.3f}" in page
    assert "a flash crowd" in page
    assert all(line in page for line in assumptions(found.trial)[:1])
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 3
    for chart in charts:
        numbers = [
            float(value)
            for element in ET.fromstring(chart).iter()  # noqa: S314 - our own
            for point in element.get("points", "").split()
            for value in point.split(",")
        ]
        assert all(0 <= value <= 960 for value in numbers)
    frontier = ET.fromstring(charts[0])  # noqa: S314 - our own
    assert sum(element.get("class") == "candidate" for element in frontier.iter()) > 10
    names = [element.text for element in frontier.iter() if element.get("class") == "name"]
    assert [(name or "").split(" ")[0] for name in names] == list(POLICIES)


def test_the_table_says_over_and_not_reached(found: Backtest) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    rows = [row(policy="late", cost_ratio=1.5, violation=0.0123), row(policy="never")]
    console.print(table(rows, found.trial))
    text = console.export_text()
    assert "1.23% over" in text
    assert re.search(r"never +n\.r\. +- +n\.r\.", text)


def test_the_verdict_counts_only_those_that_did_not_know_the_trace() -> None:
    rows = [
        row(policy="foretide", cost_ratio=1.2, violation=0.009),
        row(policy="hpa", cost_ratio=1.1, violation=0.02),
        row(policy="keda", cost_ratio=1.3, violation=0.0),
        row(policy="hpa-tuned", cost_ratio=1.05, violation=0.01),
        row(policy="clairvoyant", cost_ratio=1.0, violation=0.0),
    ]
    said = verdict(rows, 0.01)
    assert "cheapest foretide, at 1.200" in said
    assert said.endswith("Over it: hpa (2.00%).")
    assert verdict(rows[1:2], 0.01).startswith("No policy that did not know the trace")


def test_time_axes_have_a_unit_of_their_length() -> None:
    assert [unit_of(s)[0] for s in (3600, 86_400, 7 * 86_400)] == ["min", "h", "d"]
