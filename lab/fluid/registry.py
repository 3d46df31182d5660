"""The policies by name.  A new one is one line in ``POLICIES``.

Rule: every policy at its defaults, untouched; ``polled`` makes a runner of any
``lab.policies.Policy``, given the trial (capacity per second is ``trial.capacity``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.fluid import oracles
from lab.fluid.foretide import Foretide
from lab.fluid.run import METRIC_S, Progress, Run, run_polled, run_stream
from lab.fluid.trial import Observed, Trial
from lab.fluid.tuned import Frontier
from lab.policies import ArticleLinear, ArticleSteps, Hpa, Keda, Kpa, Policy, PredictiveHpa
from models.domain.spec import AgentScaler

DEFAULT_TARGET = 0.7
"""HPA's target as most charts have it; ``hpa-tuned`` is what no default is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """What a runner may use; ``spec`` None: the default one (``foretide.default_spec``)."""

    trial: Trial
    observed: Observed
    tuned: Frontier
    spec: AgentScaler | None = None


Runner = Callable[[Setting, Progress], Run | None]
"""Runs one policy; None: not reached (n.r.)."""


def polled(make: Callable[[Trial], Policy], *, metric_s: float = METRIC_S) -> Runner:
    """A runner of a policy that is asked every ``period_s``.

    ``metric_s``: what the demand that it is shown is a mean of; a policy that averages by itself,
    as KPA does, is shown its own period.
    """

    def run(setting: Setting, progress: Progress) -> Run:
        policy = make(setting.trial)
        return run_polled(
            setting.trial, setting.observed, policy, metric_s=metric_s, progress=progress
        )

    return run


def _hpa(trial: Trial) -> Policy:
    # HPA does not scale to zero on its own: there it runs with a minimum of one.
    return Hpa(target=DEFAULT_TARGET, least=max(trial.least, 1), most=trial.most)


def _keda(trial: Trial) -> Policy:
    target = DEFAULT_TARGET * trial.capacity
    return Keda(target=target, least=trial.least, most=trial.most)


def _kpa(trial: Trial) -> Policy:
    return Kpa(capacity=trial.capacity, least=trial.least, most=trial.most)


def _article_linear(trial: Trial) -> Policy:
    return ArticleLinear(least=trial.least, most=trial.most, capacity=trial.capacity)


def _article_steps(trial: Trial) -> Policy:
    return ArticleSteps(least=trial.least, most=trial.most)


def _predictive_hpa(trial: Trial) -> Policy:
    return PredictiveHpa(target=DEFAULT_TARGET, least=max(trial.least, 1), most=trial.most)


def _tuned(setting: Setting, progress: Progress) -> Run | None:
    del progress
    best = setting.tuned.best(setting.trial.violations)
    return None if best is None else Run(policy="hpa-tuned", asked=best.asked)


def _foretide(setting: Setting, progress: Progress) -> Run:
    policy = Foretide(setting.trial, setting.observed.factor, setting.spec)
    return run_stream(setting.trial, setting.observed, policy, progress=progress)


def _static(setting: Setting, progress: Progress) -> Run:
    del progress
    return Run(policy="static", asked=oracles.static_peak(setting.trial))


def _clairvoyant(setting: Setting, progress: Progress) -> Run:
    del progress
    return Run(policy="clairvoyant", asked=oracles.clairvoyant(setting.trial))


POLICIES: Mapping[str, Runner] = {
    "foretide": _foretide,
    "hpa": polled(_hpa),
    "hpa-tuned": _tuned,
    "keda": polled(_keda),
    "kpa": polled(_kpa, metric_s=Kpa.period_s),
    "article-linear": polled(_article_linear),
    "article-steps": polled(_article_steps),
    "predictive-hpa": polled(_predictive_hpa),
    "static": _static,
    "clairvoyant": _clairvoyant,
}
"""In the order of the table."""
