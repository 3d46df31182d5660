"""The whole backtest: rows, and the real Fleet inside."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from lab.fluid.backtest import Row, backtest, recovery_s
from lab.fluid.foretide import TOLD_STARTS, Foretide
from lab.fluid.registry import POLICIES
from lab.fluid.run import Run, run_stream
from lab.fluid.table import legend, percent
from lab.fluid.tenancy import Tenancy
from lab.fluid.trial import MOST, Observed, Trial
from lab.planner import LATENESS_S, VALID_S
from lab.traces import FORMATS, compose
from models.domain.spec import Replicas
from models.fleet import Fleet
from models.horizon import KEPT
from streams.cli.backtest import FORMATS as OFFERED
from streams.settings import Settings
from tests.lab.fluids import asked, made, trial


def wave(steps: int = 60, **more: object) -> Trial:
    rng = np.random.default_rng(2)
    values = rng.poisson(900 + 500 * np.sin(np.arange(steps) / 7)).astype(float)
    return trial(
        made(values), **{"capacity": 1.0, "least": 1, "most": MOST, "startup_s": 45.5} | more
    )


def run(plant: Trial, policy: Foretide | None = None) -> tuple[Run, Foretide]:
    seen = Observed(plant)
    made_of = policy or Foretide(plant, seen.factor)
    return run_stream(plant, seen, made_of), made_of


def test_constants_are_those_of_a_worker() -> None:
    settings = Settings()
    assert (settings.lateness_s, settings.decision_valid_s) == (LATENESS_S, VALID_S)
    assert TOLD_STARTS == KEPT
    assert Replicas(max=MOST).max == MOST
    assert OFFERED == FORMATS


def test_the_live_fleet_is_driven_and_follows_demand() -> None:
    plant = trial(made([300] * 20 + [1500] * 20), capacity=1.0, startup_s=30, least=1, most=MOST)
    found, policy = run(plant)
    assert type(policy._planner.fleet) is Fleet
    before, after = found.asked.value(np.array([1100.0, 2300.0]))
    # 5 a second at 0.9 a replica is 6, 25 is 28; of noise little is known yet, so the margin is
    # wide: five scales.
    assert 6 <= before <= 16
    assert 28 <= after <= 60
    times = found.asked.at
    # The step is at 1200 s; a mean of 10 s rises with the first second of it.
    assert 1200 < times[times > 1200][0] <= 1203


def test_start_up_is_learned_only_from_replicas_that_became_ready() -> None:
    plant = trial(made([300] * 4 + [1500] * 8), capacity=1.0, startup_s=77.5, least=1, most=MOST)
    heard: list[tuple[float, Sequence[float]]] = []

    class Listening(Foretide):
        def second(
            self, now: float, arrived: int | None, asked: int, ready: int, began: Sequence[float]
        ) -> int:
            heard.append((now, began))
            return super().second(now, arrived, asked, ready, began)

    found, policy = run(plant, Listening(plant, 1.0))
    told = [(now, began) for now, began in heard if began]
    asked_at = float(found.asked.at[1])
    assert found.asked.replicas[1] > found.asked.replicas[0]
    assert told[0][0] == asked_at + 78  # Ready at 77.5, heard of when that second is over.
    assert all(value == 77.5 for _, began in told for value in began)
    (state,) = policy._planner.fleet.states(policy._planner.fleet.heard_of(), 0)
    assert set(state.window.started_s["default"]) == {77.5}


def test_the_scaler_hears_whose_requests_they_were() -> None:
    values = np.array([900.0] * 10 + [0.0] + [600.0] * 19)
    parts = {"a": values / 3, "b": values - values / 3}
    series = made(values.tolist(), tenants=parts)
    plant = trial(series, capacity=1.0, startup_s=30, least=1, most=MOST)
    alone = dataclasses.replace(plant, series=dataclasses.replace(series, tenants={}))
    _, told = run(plant)
    _, untold = run(alone)
    foresights = [
        policy._planner.fleet.scaler(policy._planner.workload).foresight
        for policy in (told, untold)
    ]
    state = foresights[0].forecaster.state().tenants
    assert state is not None
    assert state.named.names == ["b", "a"]
    assert foresights[1].forecaster.state().tenants is None
    tenancy = Tenancy(plant)
    drawn = [tenancy.of(second, 15) for second in range(600)]
    assert all(sum(found.values()) == 15 for found in drawn)
    assert sum(found.get("a", 0) for found in drawn) == pytest.approx(3000, rel=0.1)
    assert tenancy.of(600, 0) == tenancy.of(601, 5) == Tenancy(alone).of(0, 15) == {}


def test_the_future_changes_nothing_before_it() -> None:
    plant = wave()
    values = plant.series.values.copy()
    values[40:] *= 7
    other = dataclasses.replace(plant, series=dataclasses.replace(plant.series, values=values))
    at = np.arange(0.0, 2400.0)
    one, two = run(plant)[0], run(other)[0]
    assert one.asked.value(at).tolist() == two.asked.value(at).tolist()
    late = np.arange(2400.0, 3600.0)
    assert one.asked.value(late).tolist() != two.asked.value(late).tolist()


def test_decisions_do_not_depend_on_how_large_the_unit_is() -> None:
    plant = wave()
    tenth = dataclasses.replace(plant.series, values=plant.series.values / 1024 + 1e-9)
    small = dataclasses.replace(plant, series=tenth, capacity=plant.capacity / 1024)
    large = dataclasses.replace(
        plant,
        series=dataclasses.replace(plant.series, values=(plant.series.values + 1e-3) * 1024),
        capacity=plant.capacity * 1024,
    )
    at = np.arange(0.0, 3600.0)
    difference = run(small)[0].asked.value(at) - run(large)[0].asked.value(at)
    assert np.abs(difference).max() <= 2  # Neither is a count: both are spread evenly.
    assert np.mean(difference != 0) < 0.1


def test_nothing_is_scaled_in_while_telemetry_is_silent() -> None:
    silent = np.zeros(30, bool)
    silent[20:26] = True
    values = [900.0] * 20 + [60.0] * 10
    plant = trial(made(values, silent=silent), capacity=1.0, least=1, most=MOST, startup_s=30)
    found, _ = run(plant)
    before, during, after = found.asked.value(np.array([1190.0, 1560.0, 1799.0]))
    assert during >= before > after


def test_rows_are_as_agreed() -> None:
    assert Row.__struct_fields__ == (
        "policy",
        "cost_ratio",
        "violation",
        "cost_at_1pct",
        "cost_at_01pct",
        "cost_vs_tuned",
        "unserved",
        "worst_hour_violation",
        "worst_tenant_violation",
        "actions_per_hour",
        "regret",
        "us_per_decision",
    )


def test_a_backtest_of_all_policies() -> None:
    found = backtest(wave(120), list(POLICIES))
    rows = {row.policy: row for row in found.rows}
    assert list(rows) == list(POLICIES)
    assert rows["clairvoyant"].cost_ratio == 1.0
    assert rows["clairvoyant"].violation == 0.0
    assert rows["clairvoyant"].regret is None
    assert rows["hpa-tuned"].cost_vs_tuned == 1.0
    assert rows["hpa-tuned"].regret == 0.0
    for row in found.rows:
        assert row.worst_tenant_violation is None
        assert row.violation is not None
        assert row.violation > 0 or (row.cost_ratio or 0) >= 1.0
        if row.violation <= 0.01:
            assert row.cost_at_1pct is not None
    assert rows["foretide"].us_per_decision is not None
    told = {name: run.regret for name, run in found.runs if run is not None}
    assert told.pop("foretide") is not None
    assert set(told.values()) == {None}
    with pytest.raises(ValueError, match="no policy magic; there are: foretide, hpa"):
        backtest(wave(), ["magic"])


def test_recovery_counts_from_the_step() -> None:
    plant = trial([1, 1, 1, 3, 4, 5], startup_s=70)
    late = Run(policy="x", asked=asked((0, 1), (185, 3), (200, 4)))
    assert recovery_s(plant, late, 180.0) == 200 + 70 - 180
    assert recovery_s(plant, Run(policy="x", asked=asked((0, 1))), 180.0) is None


def test_a_composition_can_be_backtested() -> None:
    composed = compose(wave(80).series, "5")
    plant = trial(composed.series, capacity=1.0, least=1, most=MOST, startup_s=65)
    rows = backtest(plant, ["foretide", "hpa"]).rows
    assert all(row.worst_tenant_violation is not None for row in rows)
    assert all(msgspec.to_builtins(row)["violation"] < 1 for row in rows)


def test_a_share_that_is_not_zero_is_not_told_as_zero() -> None:
    assert [percent(share) for share in (None, 0.0, 1e-9, 4.9e-5, 5e-5, 0.123)] == [
        *("-", "0.00%", "<0.01%", "<0.01%", "0.01%", "12.30%")
    ]


def test_the_table_s_own_words_are_told_in_one_line() -> None:
    found = backtest(wave(60), ["hpa", "clairvoyant"]).rows
    plain = [
        msgspec.structs.replace(
            row, cost_at_1pct=1.0, cost_vs_tuned=1.0, worst_tenant_violation=0.0
        )
        for row in found
    ]
    rounded = [
        msgspec.structs.replace(row, violation=0.0, unserved=0.0, worst_hour_violation=0.0)
        for row in plain
    ]
    assert legend(rounded) == ()
    assert legend([msgspec.structs.replace(rounded[0], unserved=1e-6)]) == ("0.00%: none at all",)
    (told,) = legend([msgspec.structs.replace(rounded[0], cost_at_1pct=None)])
    assert told.startswith("n.r.: not reached")
    (both,) = legend(
        [msgspec.structs.replace(rounded[0], cost_vs_tuned=None, worst_tenant_violation=None)]
    )
    assert both.count(";") == 1
    assert both.endswith("-: does not apply, or is not known")
