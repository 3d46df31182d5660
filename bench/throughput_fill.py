"""Fills a telemetry topic of the bench, and counts what aggregate made of it.

Rule: seeded, so that every run has the same events; every message is acknowledged by the broker.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from models.domain.load import Load
from models.merge import Merge
from streams import codec, topics
from streams.kafka.reader import read
from streams.settings import Settings

SEED = 142
VARIANTS = 4096
"""Different numbers that events have."""

ERRORS = 0.02
"""Share of requests that failed."""

LABEL = 253
"""The longest label that telemetry may have."""

FILL_S = 300.0
"""The longest that filling may take."""

SAID = 250_000
"""Messages between two lines of progress."""

STAMPED = 100
"""Messages that share one ``at``."""


class FillError(Exception):
    """Not everything was acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A telemetry topic, and what is in it; ``ends`` are end offsets by partition."""

    settings: Settings
    events: int
    messages: int
    workloads: int
    event_bytes: int
    ends: tuple[int, ...]


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def _parts(
    workloads: int, size: int | None, hot: float, namespace: str
) -> tuple[list[bytes], list[bytes]]:
    """What comes before ``at``, by workload, and after it; ``size``: bytes of an event, about."""
    chance = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    digits = max(4, len(str(workloads - 1)))
    heads = [
        f'{{"v":1,"kind":"request","workload":"{namespace}/agent-{number:0{digits}}","at":'.encode()
        for number in range(workloads)
    ]
    tails = []
    for _ in range(VARIANTS):
        tail = f',"latency_s":{chance.lognormvariate(0, 0.5):.4f}'
        if size is None or size >= 140:  # noqa: PLR2004 - an event without padding
            status = "error" if chance.random() < ERRORS else "ok"
            tail += f',"tokens_in":{chance.randint(200, 4000)}'
            tail += f',"tokens_out":{chance.randint(20, 900)},"status":"{status}"'
        tails.append((tail + _padding(len(heads[0]) + 14 + len(tail) + 1, size) + "}").encode())
    order = heads * -(-VARIANTS // workloads)
    if hot:
        order += heads[:1] * round(len(order) * hot / (1 - hot))
    chance.shuffle(order)
    if len(order) % 2 == 0:  # A place in it would always come to the same partition.
        order.append(order[0])
    return order, tails


def _padding(length: int, size: int | None) -> str:
    """Labels that lengthen an event to ``size`` bytes; beyond three, a field that nobody knows."""
    missing = 0 if size is None else size - length
    padding = ""
    for name in ("pod", "session", "variant"):
        frame = len(f',"{name}":""')
        if missing <= frame:
            return padding
        text = "x" * min(missing - frame, LABEL)
        padding += f',"{name}":"{text}"'
        missing -= frame + len(text)
    frame = len(',"note":""')
    return padding + (f',"note":"{"x" * (missing - frame)}"' if missing > frame else "")


def values(
    messages: int,
    *,
    workloads: int = 200,
    size: int | None = None,
    together: int = 1,
    hot: float = 0.0,
    namespace: str = "prod",
) -> Iterator[bytes]:
    """Messages, stamped with about now; arguments are as of ``fill``."""
    heads, tails = _parts(workloads, size, hot, namespace)
    at = b""
    for number in range(messages):
        if number % STAMPED == 0:
            at = b"%.3f" % time.time()
        first = number * together
        value = b",".join(
            heads[event % len(heads)] + at + tails[event % len(tails)]
            for event in range(first, first + together)
        )
        yield value if together == 1 else b"[" + value + b"]"


def endless(messages: int, *, together: int = 1, namespace: str = "prod") -> Iterator[bytes]:
    """``values`` again and again, stamped anew about every second: stamping each is what costs."""
    while True:
        batch = list(values(messages, together=together, namespace=namespace))
        begun = time.monotonic()
        while time.monotonic() < begun + 1.0:
            yield from batch


def fill(
    settings: Settings,
    *,
    events: int,
    workloads: int = 200,
    size: int | None = None,
    together: int = 1,
    hot: float = 0.0,
) -> Filled:
    """Make the topics, and fill telemetry with ``events``, ``together`` of them to a message.

    ``hot`` is the share of one workload, beside what it has as one of many.
    """
    asyncio.run(topics.create(settings))
    topic = settings.topic_prefix + "telemetry"
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer(
        {
            "bootstrap.servers": settings.bootstrap,
            "enable.idempotence": True,
            "linger.ms": 5,
            "log_level": 3,  # A broker that has just started is not worth a warning.
            "delivery.report.only.error": True,
            "on_delivery": delivered,
        }
    )
    messages, in_all = events // together, 0
    began = time.monotonic()
    made = values(messages, workloads=workloads, size=size, together=together, hot=hot)
    for number, value in enumerate(made):
        in_all += len(value)
        while True:
            try:
                producer.produce(topic, value, partition=number % settings.partitions)
            except BufferError:
                producer.poll(0.05)
            else:
                break
        if number % SAID == SAID - 1:
            say(f"  {number + 1:,} of {messages:,} messages")
            if time.monotonic() - began > FILL_S:
                raise FillError(f"filling {topic} takes more than {FILL_S:g} s")
    left = producer.flush(60)
    ends = _ends(settings, topic)
    if left or failed or sum(ends) != messages:
        raise FillError(f"{sum(ends)} of {messages} messages arrived in {topic}: {failed[:3]}")
    say(f"filled {topic}: {events:,} events in {time.monotonic() - began:.1f} s")
    return Filled(
        settings=settings,
        events=messages * together,
        messages=messages,
        workloads=workloads,
        event_bytes=round(in_all / messages / together),
        ends=ends,
    )


def _ends(settings: Settings, topic: str) -> tuple[int, ...]:
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "ends"})
    try:
        places = [TopicPartition(topic, number) for number in range(settings.partitions)]
        return tuple(consumer.get_watermark_offsets(place, timeout=30)[1] for place in places)
    finally:
        consumer.close()


def counted(settings: Settings) -> int:
    """Events in the loads: every partition's records, merged as plan does."""
    return asyncio.run(_counted(settings))


async def _counted(settings: Settings) -> int:
    merge = Merge(lateness_s=settings.lateness_s)
    async for value in read(settings, "load", from_start=True, follow=False):
        for record in codec.load_records(value):
            if isinstance(record, Load):
                merge.add(record)
    return sum(merge.totals().values())
