"""How far a role is: the numbers, and that they are there for each partition it owns."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from models.domain.load import Progress, SourceProgress
from models.merge import Merge
from streams.app import build
from streams.kafka.embedded import PARTITIONS, EmbeddedBroker
from streams.kafka.outbox import acknowledged
from streams.metrics import Metrics
from streams.progress import PartitionProgress, Standing, Unsettled, progress_of
from streams.settings import Settings


def test_the_age_is_of_the_oldest_batch_that_is_not_done() -> None:
    unsettled = Unsettled()
    assert unsettled.age_s(1000.0) == 0.0
    unsettled.read(9, 990.0)
    unsettled.read(19, 995.0)
    assert unsettled.age_s(1000.0) == 10.0
    unsettled.settle(9)  # Offset 9 itself is not done.
    assert unsettled.age_s(1000.0) == 10.0
    unsettled.settle(10)
    assert unsettled.age_s(1000.0) == 5.0
    unsettled.settle(None)
    unsettled.settle(20)
    assert unsettled.age_s(1000.0) == 0.0


def test_a_clock_behind_the_broker_s_gives_no_negative_age() -> None:
    unsettled = Unsettled()
    unsettled.read(0, 1010.0)
    assert unsettled.age_s(1000.0) == 0.0


@pytest.mark.parametrize(
    ("standing", "read", "expected"),
    [
        # Everything committed.
        (Standing(20, 20, 300.0), [], (0, 0.0, 0.0)),
        # The open block: not committed, but done, so nothing waits.
        (Standing(10, 20, 300.0), [], (10, 0.0, 0.0)),
        # Ten records wait since 8 s, and the commit has not moved for 6.
        (Standing(10, 20, 6.0), [(19, 992.0)], (10, 8.0, 6.0)),
        # The last commit was long before there was anything to commit.
        (Standing(10, 20, 500.0), [(19, 992.0)], (10, 8.0, 8.0)),
        # Never committed: all that there is; the age of the commit is that of what waits for it.
        (Standing(None, 20, None), [(19, 992.0)], (20, 8.0, 8.0)),
        # Nothing has been fetched: the end is not known, which is not the same as none.
        (Standing(None, None, None), [], (None, 0.0, 0.0)),
    ],
)
def test_progress_in_numbers(
    standing: Standing, read: list[tuple[int, float]], expected: tuple[int | None, float, float]
) -> None:
    unsettled = Unsettled()
    for last, appended_at in read:
        unsettled.read(last, appended_at)
    found = progress_of(3, standing, unsettled, now=1000.0)
    assert (found.lag, found.lag_s, found.commit_age_s) == expected


def test_missing_seconds_are_those_past_due() -> None:
    merge = Merge(lateness_s=2.0)
    assert merge.unheard is None
    assert merge.missing_s(1000.0) is None

    def report(source: int, watermark: float) -> None:
        one = SourceProgress(source=source, position=1, watermark=watermark, done=0)
        merge.progress(Progress(sources=2, progress=(one,)))

    report(0, 1000.0)
    assert merge.unheard == 1
    assert merge.missing_s(1000.0) is None
    report(1, 990.0)
    assert merge.unheard == 0
    assert merge.closed_through == 987  # 988 ends at 989, and is waited for until 991.
    assert merge.missing_s(990.0) == 0.0
    assert merge.missing_s(1000.0) == 10.0
    assert merge.watermarks() == {0: 1000.0, 1: 990.0}


def test_what_is_not_known_has_no_sample_and_what_is_gone_has_none_any_more() -> None:
    class One:
        role = "plan"

        def __init__(self) -> None:
            only = PartitionProgress(
                partition=2, lag=None, lag_s=1.5, commit_age_s=0.5, missing_s=7.0
            )
            self.found = [only]

        def progress(self) -> list[PartitionProgress]:
            return self.found

    one, metrics = One(), Metrics()
    metrics.watch([one])
    value = metrics.registry.get_sample_value
    labels = {"role": "plan", "partition": "2"}
    assert value("foretide_lag_records", labels) is None
    assert value("foretide_lag_seconds", labels) == 1.5
    assert value("foretide_commit_age_seconds", labels) == 0.5
    assert value("foretide_missing_seconds", {"partition": "2"}) == 7.0
    assert value("foretide_watermark_age_seconds", {"source": "2"}) is None
    one.found = []
    assert value("foretide_lag_seconds", labels) is None


async def test_a_worker_tells_them_for_each_partition() -> None:
    broker = await asyncio.to_thread(EmbeddedBroker, topic_prefix="foretide.")
    settings = Settings(
        bootstrap=broker.bootstrap,
        web_host="127.0.0.1",
        web_port=0,
        fetch_max_wait_ms=5,
        commit_interval_s=0.2,
        progress_interval_s=0.1,
        roles=("aggregate", "plan"),
    )
    worker = build(settings, check_topics=False)
    await worker.start()
    value = worker.metrics.registry.get_sample_value
    try:
        await asyncio.wait_for(worker.ready(), 30)
        sends = [
            await worker.outbox.send(
                "telemetry",
                b'{"v":1,"kind":"request","workload":"a/b","at":1}',
                key=None,
                partition=0,
            )
            for _ in range(5)
        ]
        await acknowledged(sends)

        def known() -> bool:
            return all(
                value("foretide_watermark_age_seconds", {"source": str(number)}) is not None
                and value("foretide_missing_seconds", {"partition": str(number)}) is not None
                and value("foretide_lag_records", {"role": "plan", "partition": str(number)})
                is not None
                for number in range(PARTITIONS)
            )

        for _ in range(200):
            if known():
                break
            await asyncio.sleep(0.05)
        assert known()
        # The open block stays uncommitted, but nothing of it waits.
        block = {"role": "aggregate", "partition": "0"}
        for _ in range(100):
            # Before the records are read, nothing waits either.
            lag = value("foretide_lag_records", block), value("foretide_lag_seconds", block)
            if lag == (5.0, 0.0):
                break
            await asyncio.sleep(0.05)
        assert lag == (5.0, 0.0)
        assert value("foretide_commit_age_seconds", block) == 0.0
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{worker.web.port}/metrics"
            async with session.get(url) as answer:
                text = await answer.text()
        assert 'foretide_lag_seconds{partition="0",role="aggregate"}' in text
        assert text.count("# HELP foretide_missing_seconds") == 1
    finally:
        await worker.stop()
    worker.roles[0].progress()  # A scrape while a worker leaves does not raise.
