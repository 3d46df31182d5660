"""The gymnasium environment: gymnasium's own checks, and that its rewards are the account's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from lab.compare import run_policy
from lab.env import FleetEnv
from lab.plant import ConstantStartup, PlantParameters, Variant
from lab.policies import Hpa, Static, View
from lab.traces import Arrival


def some(count: int = 400, every_s: float = 1.0) -> tuple[Arrival, ...]:
    return tuple(
        Arrival(at_s=number * every_s, tokens_in=500, tokens_out=72) for number in range(count)
    )


def test_gymnasium_finds_no_fault() -> None:
    """It warns of what it frowns upon, and warnings are errors here."""
    check_env(FleetEnv(some(60)), skip_render_check=True)


def test_a_period_is_rendered_as_a_line() -> None:
    env = FleetEnv(some(60), render_mode="ansi", period_s=15.0)
    env.reset(seed=1)
    assert "       0 s     0.00 requests/s      0 in the system" in str(env.render())
    _, reward, _, _, info = env.step(np.int64(2))
    line = str(env.render())
    assert "      15 s     1.07 requests/s" in line  # Both ends of the period count.
    assert "3 desired" in line
    assert line.endswith(f"{info['violations']} violations  reward {reward:9.2f}")
    silent = FleetEnv(some(60))
    silent.reset(seed=1)
    assert silent.render() is None
    with pytest.raises(ValueError, match="render_mode is 'human'"):
        FleetEnv(some(60), render_mode="human")


def test_an_episode_adds_up_to_the_accounts_cost_and_violations() -> None:
    env = FleetEnv(some(every_s=0.2), price_s=7.0)
    env.reset(seed=3)
    total, over, steps, info = 0.0, False, 0, {}
    while not over:
        action = np.int64(steps % 5)
        found, reward, terminated, over, info = env.step(action)
        assert env.observation_space.contains(found)
        assert not terminated
        total += reward
        steps += 1
    assert info["violations"] > 0
    spent = info["replica_seconds"] + 7.0 * info["violations"]
    assert -total * env.period_s == pytest.approx(spent)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.int64(0))


def test_a_policy_fares_in_it_as_on_the_plant() -> None:
    """A constant number, with start-ups that are no chance, is the same run by either way."""
    arrivals = some(300)
    parameters = PlantParameters(startup=ConstantStartup(30.0), initial_replicas=3)
    env = FleetEnv(arrivals, parameters, drain_s=600.0)
    env.reset(seed=1)
    over, info = False, {}
    while not over:
        _, _, _, over, info = env.step(np.int64(3 - parameters.min_replicas))
    plain = run_policy(arrivals, parameters, Static(3), seed=1)
    assert (info["served"], plain.served) == (300, 300)
    # The environment ends with a period, the plain run within it.
    assert info["replica_seconds"] / 3600 == pytest.approx(plain.replica_hours, abs=3 * 15 / 3600)


def test_what_is_observed_suffices_for_an_hpa() -> None:
    env = FleetEnv(some(every_s=0.1))
    hpa = Hpa(target=0.7, least=1, most=20)
    found, _ = env.reset(seed=1)
    over, peak = False, 0.0
    while not over:
        inside, _, ready, _, desired, _ = map(float, found)
        use = inside / (4 * ready) if ready else None
        view = View(now=env.period_s, desired=int(desired), ready=int(ready), use_ratio=use)
        action = np.int64(hpa.desired(view) - env.parameters.min_replicas)
        found, _, _, over, _ = env.step(action)
        peak = max(peak, float(found[4]))
    assert peak > 4


def test_a_seed_repeats_and_another_differs() -> None:
    def rewards(seed: int) -> list[float]:
        env = FleetEnv(some(every_s=0.1))
        env.reset(seed=seed)
        return [env.step(np.int64(9))[1] for _ in range(3)]

    assert rewards(1) == rewards(1) != rewards(2)


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(ValueError, match="no arrivals"):
        FleetEnv(())
    for path in ("trace.csv", Path("trace.csv")):
        with pytest.raises(TypeError, match=r"read the trace first, open_trace\(path\)"):
            FleetEnv(path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="period_s is 0"):
        FleetEnv(some(3), period_s=0)
    with pytest.raises(ValueError, match="price_s is -1"):
        FleetEnv(some(3), price_s=-1)
    two = PlantParameters(variants=(Variant(name="a"), Variant(name="b")))
    with pytest.raises(ValueError, match="2 variants"):
        FleetEnv(some(3), two)
    env = FleetEnv(some(3))
    env.reset(seed=1)
    with pytest.raises(gymnasium.error.InvalidAction):
        env.step(np.int64(20))


def test_the_documents_example_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "laboratory.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(example.splitlines()) <= 14
    names: dict[str, object] = {}
    exec(example, names)  # noqa: S102 - our own document
    info = names["info"]
    assert isinstance(info, dict)
    assert 8000 < info["served"] <= 8819
    assert isinstance(names["total"], float)
    assert names["total"] < 0


def test_without_gymnasium_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['gymnasium'] = None; import lab.env"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: lab.env.FleetEnv needs gymnasium, which is not installed: "
        "pip install gymnasium"
    )
