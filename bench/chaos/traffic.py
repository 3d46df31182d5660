"""Traffic: messages as fleets of services send them, and as they should not.

Rule: all chance comes from the seed; each message says itself what must become of it.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

HOT = "default/hot"
OTHERS = tuple(f"default/w{number:02d}" for number in range(50))
SKEWED = OTHERS[-1]
"""Its clock is behind."""
SKEW_S = 600.0
MALFORMED = 0.005
"""Share of messages that are no events at all."""
ARRAYS = 0.3
"""Share of messages that are arrays."""
FAULTY = 0.02
"""Share of arrays with one element that must be refused."""
HOT_SHARE = 0.5
LATE = 0.01
DISORDERED = 0.1
KINDS = {"finished": 80, "started": 15, "resource": 3, "replicas": 2}
"""Kinds of events, and how often each comes among a hundred."""
LONGEST_ARRAY = 20
LATE_MOST_S = 180.0
AHEAD_S = 3600.0
"""Refused even when the broker was away for a minute: 60 s are allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: events that count, by workload, and elements that must be refused.

    ``refused`` has indices in the array; None stands for the message as a whole.
    """

    partition: int
    key: bytes
    value: bytes | None
    events: Counter[str]
    refused: tuple[int | None, ...] = ()
    late: int = 0


class Traffic:
    """An endless sequence of messages."""

    def __init__(self, chance: random.Random, *, partitions: int) -> None:
        """``partitions``: of the telemetry topic."""
        self._chance = chance
        self._weights = [1.0] * partitions
        self._phase_until = 0.0

    def message(self, now: float) -> Message:
        """The next message, sent at ``now`` (Unix seconds)."""
        if now >= self._phase_until:
            self._next_phase(now)
        chance = self._chance
        partition = chance.choices(range(len(self._weights)), self._weights)[0]
        if chance.random() < MALFORMED:
            return self._malformed(partition, now)
        is_array = chance.random() < ARRAYS
        count = chance.randint(1, LONGEST_ARRAY) if is_array else 1
        made = [self._event(now) for _ in range(count)]
        elements: list[Any] = [event for event, _ in made]
        refused: tuple[int | None, ...] = ()
        if is_array and chance.random() < FAULTY:
            index = chance.randrange(count)
            elements[index] = self._fault(elements[index], now)
            del made[index]
            refused = (index,)
        return Message(
            partition=partition,
            key=HOT.encode(),
            value=json.dumps(elements if is_array else elements[0]).encode(),
            events=Counter(event["workload"] for event, _ in made),
            refused=refused,
            late=sum(late for _, late in made),
        )

    def _next_phase(self, now: float) -> None:
        """For a while all partitions are alike, or one is slow, or silent."""
        self._phase_until = now + self._chance.uniform(4.0, 12.0)
        self._weights = [1.0] * len(self._weights)
        slow = self._chance.randrange(len(self._weights))
        self._weights[slow] = self._chance.choice([1.0, 0.02, 0.0])

    def _event(self, now: float) -> tuple[dict[str, Any], bool]:
        """An event, and whether it is late."""
        chance = self._chance
        workload = HOT if chance.random() < HOT_SHARE else chance.choice(OTHERS)
        drawn = chance.random()
        late = drawn < LATE
        at = now
        if late:
            at -= chance.uniform(5.0, LATE_MOST_S)
        elif drawn < LATE + DISORDERED:
            at -= chance.expovariate(1.0)
        if workload == SKEWED:
            at -= SKEW_S
        event: dict[str, Any] = {"v": 1, "kind": "request", "workload": workload, "at": at}
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "resource":
            pod = f"p{chance.randrange(4)}"
            event |= {"kind": "resource", "pod": pod, "in_flight": chance.randrange(30)}
        elif kind == "replicas":
            event |= {"kind": "replicas", "desired": 3, "ready": chance.randrange(4)}
        elif kind == "started":
            event |= {"phase": "started", "tokens_in": chance.randrange(4000)}
        else:
            event |= {"latency_s": chance.expovariate(2.0), "tokens_out": chance.randrange(500)}
        return event, late

    def _fault(self, event: dict[str, Any], now: float) -> Any:  # noqa: ANN401 - any JSON
        """What may not stand in place of an event."""
        faults: list[Any] = [
            event | {"v": 2},
            event | {"at": now + AHEAD_S},
            event | {"at": "yesterday"},
            event | {"workload": "Not A Name"},
            {"v": 1, "kind": "request", "at": now},
            7,
            None,
        ]
        return self._chance.choice(faults)

    def _malformed(self, partition: int, now: float) -> Message:
        event, _ = self._event(now)
        values = [
            None,
            b"",
            b"\xff\xfe",
            json.dumps([event, event]).encode()[:-3],
            json.dumps(self._fault(event, now)).encode(),
        ]
        return Message(
            partition=partition,
            key=HOT.encode(),
            value=self._chance.choice(values),
            events=Counter(),
            refused=(None,),
        )
