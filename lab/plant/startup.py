"""Start-up times of replicas, in seconds: constant, log-normal, measured, or drawn from a list.

Rule: a distribution is a value; chance comes from whoever draws.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

Z95 = 1.6448536269514722
"""The 0.95 quantile of the standard normal."""


def _at_least(name: str, value: float, least: float) -> None:
    if not least <= value < math.inf:
        msg = f"{name} is {value!r}, a finite number of at least {least:g} was expected"
        raise ValueError(msg)


class Startup(Protocol):
    """How long a replica takes from its creation to being ready."""

    def draw(self, chance: random.Random) -> float:
        """One start-up time, seconds, not negative."""
        ...

    def words(self) -> str:
        """For a person."""
        ...


@dataclass(frozen=True, slots=True)
class ConstantStartup:
    """Always ``seconds``."""

    seconds: float

    def __post_init__(self) -> None:
        _at_least("seconds", self.seconds, 0.0)

    def draw(self, chance: random.Random) -> float:
        """One start-up time; ``chance`` is not touched."""
        del chance
        return self.seconds

    def words(self) -> str:
        """For a person."""
        return f"{self.seconds:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormalStartup:
    """Log-normal by its median and 95th percentile.

    ln T is normal with mean ln p50 and deviation ln(p95 / p50) / 1.645: 22.7 s and 45.4 s give
    0.42.  A median of 0 is always 0 and draws nothing.
    """

    p50_s: float
    p95_s: float

    def __post_init__(self) -> None:
        _at_least("p50_s", self.p50_s, 0.0)

    def draw(self, chance: random.Random) -> float:
        """One start-up time."""
        if self.p50_s <= 0:
            return 0.0
        sigma = math.log(max(self.p95_s / self.p50_s, 1.0)) / Z95
        return self.p50_s * math.exp(sigma * chance.gauss(0.0, 1.0))

    def words(self) -> str:
        """For a person."""
        return f"{self.p50_s:g} s (median; 95 % within {self.p95_s:g} s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredStartup:
    """What is published of a measurement: median, 95th percentile and maximum.

    Up to the 95th percentile it is the log-normal through the two quantiles; from there to the
    maximum the logarithm rises in proportion to the level, and nothing lies beyond.
    """

    p50_s: float
    p95_s: float
    max_s: float

    def __post_init__(self) -> None:
        if not 0 < self.p50_s <= self.p95_s <= self.max_s < math.inf:
            msg = f"0 < p50_s <= p95_s <= max_s was expected, got {self!r}"
            raise ValueError(msg)

    def quantile(self, level: float) -> float:
        """Seconds at ``level`` (0 < level <= 1)."""
        if level <= 0.95:  # noqa: PLR2004 - the percentile in the name
            sigma = math.log(self.p95_s / self.p50_s) / Z95
            return self.p50_s * math.exp(sigma * NormalDist().inv_cdf(level))
        return self.p95_s * math.exp(math.log(self.max_s / self.p95_s) * (level - 0.95) / 0.05)

    def draw(self, chance: random.Random) -> float:
        """One start-up time."""
        return self.quantile(1.0 - chance.random())

    def words(self) -> str:
        """For a person."""
        return f"{self.p50_s:g} s (median; 95 % within {self.p95_s:g} s, none over {self.max_s:g})"


@dataclass(frozen=True, slots=True)
class EmpiricalStartup:
    """One of the ``seconds`` that were observed, each as likely as the others."""

    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.seconds:
            msg = "seconds is empty, at least one observed start-up was expected"
            raise ValueError(msg)
        for value in self.seconds:
            _at_least("seconds", value, 0.0)

    def draw(self, chance: random.Random) -> float:
        """One start-up time."""
        return self.seconds[chance.randrange(len(self.seconds))]

    def words(self) -> str:
        """For a person."""
        ordered = sorted(self.seconds)
        return f"{ordered[0]:g} to {ordered[-1]:g} s, as {len(ordered)} times observed"


GENTD26_BASE_MODEL = MeasuredStartup(p50_s=22.7, p95_s=45.4, max_s=79.4)
"""Loading a base model on a real diffusion-serving fleet (Alibaba GenTD26)."""

GENTD26_PIPELINE = LogNormalStartup(p50_s=8.5, p95_s=39.5)
"""Switching a pipeline on the same fleet; no maximum is published."""

GENTD26_LORA = LogNormalStartup(p50_s=4.4, p95_s=6.8)
"""Loading an adapter on the same fleet; no maximum is published."""
