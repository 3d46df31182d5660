"""Axes, names and marks of the report's drawings: filled, within, and not on each other."""

from __future__ import annotations

import itertools
import re

import pytest

from lab.fluid.backtest import Row
from lab.fluid.frontier_chart import points_of, violation_end
from lab.fluid.labels import HEIGHT, Box, Labels, width_of
from lab.report.axes import axis, time_ticks, told, unit_of
from lab.report.charts import Band, Line, Spans, chart, unbroken


@pytest.mark.parametrize(
    ("most", "least", "ticks"),
    [
        (5400, 0, [0, 1000, 2000, 3000, 4000, 5000, 6000]),
        (35, 0, [0, 10, 20, 30, 40]),
        (60, 0, [0, 10, 20, 30, 40, 50, 60]),
        (2.63, 0.68, [0.5, 1, 1.5, 2, 2.5, 3]),
        (1.56, 1.0, [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]),
        (0, 0, [0, 1]),
    ],
)
def test_an_axis_ends_at_the_tick_above_what_is_shown(
    most: float, least: float, ticks: list[float]
) -> None:
    assert axis(most, least).ticks == pytest.approx(ticks)


def test_numbers_of_ticks_are_short() -> None:
    assert [told(v) for v in (0, 0.1 + 0.2, 40, 6000, 2.5e6)] == [
        "0",
        "0.3",
        "40",
        "6,000",
        "2.5 M",
    ]


def test_time_axes_have_a_unit_of_their_length_and_whole_steps() -> None:
    assert [unit_of(s)[0] for s in (3600, 86_400, 7 * 86_400)] == ["min", "h", "d"]
    assert [time_ticks(s, 8)[0] for s in (1740, 86_400, 84 * 3600)] == [300, 10_800, 12 * 3600]
    every_s, _, unit_s = time_ticks(5000 * 86_400.0, 8)
    assert 5000 * unit_s / every_s <= 8


def test_a_drawing_is_filled_and_ends_where_the_time_ends() -> None:
    drawn = chart(
        "Replicas",
        "count",
        100.0,
        lines=[Line(name="ready", css="ours", points=[(0.0, 1.0), (50.0, 3.0)], step=True)],
        bands=[Band(name="band", css="forecast", low=[(0.0, 1.0)], high=[(0.0, 2.0)])],
        spans=[Spans(name="too few", css="short", times=[(10.0, 10.001), (95.0, 100.0)])],
    )
    wide, narrow = re.findall(r"<svg.*?</svg>", drawn, re.DOTALL)
    for svg in (wide, narrow):
        assert svg.count('<rect class="short"') == 2
        # However short, it is seen.
        assert min(float(w) for w in re.findall(r'<rect class="short".*?width="(.*?)"', svg)) > 1
        width = float(re.findall(r'viewBox="0 0 (\d+)', svg)[0])
        rights = [
            float(x) + float(w)
            for x, w in re.findall(r'<rect class="short" x="(.*?)".*?width="(.*?)"', svg)
        ]
        assert max(rights) <= width
    assert drawn.count('class="key"') == 3


def test_lines_are_drawn_so_that_the_first_lies_on_top() -> None:
    lines = [Line(name=css, css=css, points=[(0.0, 1.0)]) for css in ("ours", "hpa", "oracle")]
    drawn = chart("t", "u", 10.0, lines=lines)
    assert re.findall(r'<polyline class="(\w+)"', drawn)[:3] == ["oracle", "hpa", "ours"]
    assert re.findall(r'<i class="(\w+)"', drawn) == ["ours", "hpa", "oracle"]


def test_names_lie_neither_on_each_other_nor_outside() -> None:
    places = [(20.0, 50.0)] * 5 + [(300.0, 52.0), (395.0, 50.0)]
    names = ["foretide", "predictive-hpa", "hpa", "keda", "clairvoyant", "static", "at-the-edge"]
    labels = Labels([Box.around(x, y, 6) for x, y in places], top=0.0, bottom=200.0)
    boxes = []
    for name, (x, y) in zip(names, places, strict=True):
        label = labels.place(name, x, y, left=10.0, right=400.0)
        begin = label.x if label.anchor == "start" else label.x - width_of(name)
        boxes.append(
            Box(
                left=begin,
                right=begin + width_of(name),
                top=label.y - 4 - HEIGHT / 2,
                bottom=label.y - 4 + HEIGHT / 2,
            )
        )
    assert all(box.left >= 10 and box.right <= 400 for box in boxes)
    assert all(box.top >= 0 and box.bottom <= 200 for box in boxes)
    assert not any(one.meets(other) for one, other in itertools.combinations(boxes, 2))


def test_the_violation_axis_shows_what_is_near_the_budget() -> None:
    assert violation_end([0.0, 0.004, 0.9], 0.01) == 0.02
    assert violation_end([0.0, 0.046, 0.9], 0.01) == 0.05
    assert violation_end([0.0], 0.0) == 0.02  # No budget to go by.
    assert violation_end([0.7], 0.5) == 1.0


def row(policy: str, cost: float, violation: float) -> Row:
    empty = dict.fromkeys(Row.__struct_fields__)
    told = empty | {"policy": policy, "cost_ratio": cost, "violation": violation}
    return Row(**told)  # type: ignore[arg-type]


def test_what_lies_beyond_the_axes_says_its_numbers_and_squeezes_nothing() -> None:
    rows = [
        row("foretide", 2.6, 0.0),
        row("predictive-hpa", 9.97, 0.0),
        row("kpa", 1.48, 0.716),
        row("article-linear", 0.68, 0.903),
        row("clairvoyant", 1.0, 0.0),
    ]
    y, points = points_of(rows, 0.02)
    assert (y.low, y.high) == (1.0, 3.0)
    texts = [point.text for point in points]
    assert texts == [
        "foretide",
        "predictive-hpa 9.97×",  # noqa: RUF001 - as it is written
        "kpa 71.6 %",
        "article-linear 90.3 %, 0.68×",  # noqa: RUF001 - as it is written
        "clairvoyant",
    ]


def test_what_nobody_measured_is_not_drawn_over() -> None:
    points = [(float(at), 5.0) for at in (0, 60, 120, 600, 660)]
    assert [len(run) for run in unbroken(points, 90.0)] == [3, 2]
    assert unbroken([], 90.0) == []
    line = Line(name="demand", css="demand", points=points, gap_s=90.0)
    band = Band(name="band", css="forecast", low=points, high=points, gap_s=90.0)
    drawn = chart("Demand", "1/s", 700.0, lines=[line], bands=[band])
    assert drawn.count('<polyline class="demand"') == 2 * 2  # For wide and for narrow pages.
    assert drawn.count("<polygon") == 2 * 2
    joined = chart("Demand", "1/s", 700.0, lines=[Line(name="demand", css="d", points=points)])
    assert joined.count("<polyline") == 2
