"""A service of several variants without queueing: each is fast up to its knee, above it slow."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from models import sketch
from models.domain.decision import Decision
from models.domain.load import Load, Part, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import AgentScaler
from models.fleet import Fleet
from models.scaler import Scaler
from models.step import SpecChange, Step

BEGIN = 1_700_000_000
W = "prod/bot"
SLO_S = 2.0


def agent(*names: str, by_name: Mapping[str, Any] | None = None, **spec: Any) -> AgentScaler:
    """Variants ``names``, each a deployment of that name; ``by_name`` has more of some of them."""
    variants = [
        {"name": name, "target": {"name": name}, **(by_name or {}).get(name, {})} for name in names
    ]
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "bot", "namespace": "prod"},
            "spec": {
                "variants": variants,
                "replicas": {"min": 1, "max": 80},
                "demand": {"unit": "requests"},
                "slo": {"latencySeconds": SLO_S, "violations": 0.01},
                **spec,
            },
        }
    )


class Mixed:
    """``knees`` in requests/s a replica by variant; replicas follow decisions at once.

    ``weight`` is what a replica of a variant gets of the traffic, in proportion; ``named`` the
    share of requests that name their variant when they end; ``pace`` by variant, what latency is
    multiplied by; ``refused`` the share that is dropped at the door, and names none.
    """

    def __init__(
        self, knees: Mapping[str, float], replicas: Mapping[str, int], spec: AgentScaler
    ) -> None:
        self.fleet = Fleet(lateness_s=1.0, valid_s=30.0)
        self.knees, self.replicas = dict(knees), dict(replicas)
        self.weight = dict.fromkeys(knees, 1.0)
        self.pace = dict.fromkeys(knees, 1.0)
        self.named, self.refused, self.obey = 1.0, 0.0, True
        self.now, self.count = BEGIN, 0
        self.decisions: list[Decision] = []
        self.steps: list[Step] = []
        self._specs = (SpecChange(workload=W, revision=1, spec=spec),)
        self._chance = random.Random(1)

    @property
    def scaler(self) -> Scaler:
        return self.fleet.scaler(W)

    def respec(self, spec: AgentScaler) -> None:
        self._specs = (SpecChange(workload=W, revision=len(self.steps) + 2, spec=spec),)

    def loads(self, rate: float) -> list[Load]:
        """The partials of a second at ``rate`` requests/s, one a source."""
        total = max(rate + self._chance.gauss(0, rate**0.5 / 4), 0.0)
        refused = round(total * self.refused)
        shares = {name: self.weight[name] * n for name, n in self.replicas.items()}
        whole = sum(shares.values()) or 1.0
        parts: dict[str, Part] = {}
        latency: dict[int, int] = {}
        for name, share in shares.items():
            count = round((total - refused) * share / whole)
            slow = count > self.knees[name] * max(self.replicas[name], 1e-9)
            seconds = (4.0 if slow else 0.5) * self.pace[name] * self._chance.uniform(0.8, 1.2)
            bucket = sketch.bucket(round(seconds * 1e6))
            latency[bucket] = latency.get(bucket, 0) + count
            parts[name] = Part(
                finished=count,
                latency_count=count,
                latency_us=count * round(seconds * 1e6),
                latency={bucket: count} if count else {},
            )
        told = {name: part for name, part in parts.items() if part.finished} if self.named else {}
        gauges = {
            name: ReplicaGauge(at_us=self.now * 1_000_000, desired=n, ready=n, starting=0)
            for name, n in self.replicas.items()
        }
        served = sum(part.finished for part in parts.values())
        return [
            Load(
                workload=W,
                second=self.now,
                source=0,
                block=self.count,
                reach=self.count,
                sent_us=self.now * 1_000_000,
                events=served + refused + len(gauges),
                finished=served + refused,
                dropped=refused,
                latency_count=served,
                latency_us=sum(part.latency_us for part in parts.values()),
                latency={bucket: n for bucket, n in latency.items() if n},
                replicas=gauges,
                variants=told,
            )
        ]

    def second(self, rate: float) -> None:
        self.now += 1
        self.count += 1
        records = self.loads(rate)
        source = SourceProgress(
            source=0, position=self.count + 1, watermark=float(self.now + 1), done=self.count
        )
        step = Step(
            now=self.now + 1.2,
            generation=1,
            era=0,
            specs=self._specs,
            records=(*records, Progress(sources=1, progress=(source,))),
            tick=True,
        )
        self._specs = ()
        self.steps.append(step)
        result = self.fleet.apply(step)
        self.decisions.extend(result.decisions)
        if self.obey and result.decisions:
            self.replicas = dict(result.decisions[-1].to.replicas)

    def minutes(self, count: float, rate: float) -> None:
        for _ in range(round(count * 60)):
            self.second(rate)
