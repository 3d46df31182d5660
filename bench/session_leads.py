"""What it is worth to the forecast to be told when sessions of agents open.

Rule: sessions are generated on two days of a real series, whose values are the rate at which they
open; the forecaster that runs live is told calls by steps of 10 s, with session starts and
without; the second day is scored.  ``--crowds``: every two hours two to five times as many open,
for 5 to 20 minutes.
Usage: python bench/session_leads.py [--base azure] [--seeds 3] [--per-s 0.2] [--crowds] [--json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.forecast.row import pinball
from lab.plant import LONG_CONTEXT
from lab.traces import Arrival, open_series
from lab.traces.requests import flash
from lab.traces.sessions import sessions, unrolled
from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads
from models.grid import STEP_S

DATA = Path(__file__).parent.parent / "lab" / "traces" / "data"
BASES = {
    "azure": "azure_llm_conv_2024_digitised.60s.csv.gz",
    "servegen": "servegen_m-large_days1-7.60s.csv.gz",
}
HORIZONS_S = (60, 300, 900)
DAY_S, DAYS = 86_400, 2
STEPS = DAYS * DAY_S // STEP_S
CROWDS_S = 7200.0

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Score(NamedTuple):
    """Error relative to the last value's, and pinball losses, calls a second."""

    rel_mae: float
    pinball_95: float
    pinball_99: float


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", choices=BASES, nargs="+", default=[*BASES])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-s", type=float, default=0.2, help="sessions opened, in the mean")
    parser.add_argument("--crowds", action="store_true", help="let crowds of sessions come")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for base in given.base:
        made = [agents(base, s + 1, given.per_s, crowds=given.crowds) for s in range(given.seeds)]
        for horizon_s in HORIZONS_S:
            without = [score(*one, horizon_s, told=False) for one in made]
            told = [score(*one, horizon_s, told=True) for one in made]
            ratios = np.array(told) / np.array(without)
            names = ("rel_mae", "pinball_95", "pinball_99")
            row = dict(zip(names, np.median(ratios, axis=0).tolist(), strict=True))
            row["worst"] = float(ratios.max())
            row["rel_mae_without"] = float(np.median([one.rel_mae for one in without]))
            found[f"{base} {horizon_s} s"] = row
            if not given.json:
                cells = "  ".join(f"{name} {value:.3f}" for name, value in row.items())
                print(f"{base} {horizon_s} s ahead, with over without: {cells}", flush=True)
    if given.json:
        print(json.dumps(found))


def agents(base: str, seed: int, per_s: float, *, crowds: bool) -> tuple[Ints, Ints]:
    """Calls, and sessions opened, by step."""
    minutes = np.nan_to_num(open_series(DATA / BASES[base], step_s=60).values)
    minutes = minutes[DAY_S // 60 : (1 + DAYS) * DAY_S // 60]
    chance = np.random.default_rng([seed, len(base), 7] if crowds else [seed, len(base)])
    counts = chance.poisson(minutes / minutes.mean() * per_s * 60.0)
    times = [number * 60 + chance.uniform(0, 60, count) for number, count in enumerate(counts)]
    opened = [
        Arrival(at_s=float(at), tokens_in=1, tokens_out=1) for at in np.sort(np.concatenate(times))
    ]
    for number in range(round(DAYS * DAY_S / CROWDS_S) if crowds else 0):
        crowd = flash(
            opened,
            at_s=number * CROWDS_S + float(chance.uniform(0, CROWDS_S - 1200)),
            length_s=float(chance.uniform(300, 1200)),
            factor=float(chance.uniform(2, 5)),
            seed=seed * 100 + number,
            rise_s=60.0,
        )
        opened = sorted(crowd, key=lambda arrival: arrival.at_s)
    calls = unrolled(sessions(opened, seed=seed), LONG_CONTEXT.alone_s)
    return _binned(calls), _binned(opened)


def score(calls: Ints, opened: Ints, horizon_s: int, *, told: bool) -> Score:
    """How far the live forecaster misses on the second day."""
    forecaster, ahead = Forecaster(), horizon_s // STEP_S
    rates = calls / STEP_S
    said = np.full((3, STEPS + ahead), np.nan)
    for step, (count, new) in enumerate(zip(calls.tolist(), opened.tolist(), strict=True)):
        leads = Leads(float(count), float(new) if told else None)
        forecaster.close(step, count / STEP_S, leads, ahead)
        if forecaster.outlook is not None:
            quantiles = forecaster.quantile(0.95), forecaster.quantile(0.99)
            said[:, step + ahead] = (forecaster.outlook.centre, *quantiles)
    scored = slice(STEPS // 2, STEPS)
    actual, last = rates[scored], rates[STEPS // 2 - ahead : STEPS - ahead]
    centre, q95, q99 = said[:, scored]
    error: Floats = np.abs(actual - centre)
    return Score(
        float(error.mean() / np.abs(actual - last).mean()),
        pinball(actual, q95, 0.95),
        pinball(actual, q99, 0.99),
    )


def _binned(arrivals: list[Arrival] | tuple[Arrival, ...]) -> Ints:
    steps = np.array([arrival.at_s for arrival in arrivals]).astype(np.int64) // STEP_S
    return np.bincount(steps[steps < STEPS], minlength=STEPS)


if __name__ == "__main__":
    main()
