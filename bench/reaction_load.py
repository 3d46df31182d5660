"""Traffic beside the samples of the reaction bench: requests of 200 workloads, one a message.

Rule: a process of its own; it sends at the rate that it is told on stdin, a line at a time, and
ends when stdin does.  A rate of 0: as fast as the broker takes it, no more than ``AHEAD`` events
beyond what a line ``folded N`` told last.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time

from confluent_kafka import Producer
from throughput_fill import endless

AHEAD = 300_000
SLICE_S = 0.01
MADE = 20_000
"""Messages made at a time; they share about one second's ``at``."""


class Orders:
    """What stdin said last."""

    def __init__(self) -> None:
        """Send nothing, to begin with."""
        self.rate: float | None = None
        self.folded = 0
        self.over = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            word, _, number = line.partition(" ")
            if word == "folded":
                self.folded = int(number)
            else:
                self.rate = float(number)
        self.over = True


def main() -> None:
    """Send until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("partitions", type=int)
    given = parser.parse_args()
    orders = Orders()
    producer = Producer({"bootstrap.servers": given.bootstrap, "linger.ms": 5, "acks": "all"})
    sent, paced, since = 0, 0, time.monotonic()
    rate: float | None = None
    stream = endless(MADE, namespace="default")
    while not orders.over:
        if orders.rate != rate:
            rate, paced, since = orders.rate, 0, time.monotonic()
        if rate is None:
            due = 0
        elif rate == 0:
            due = min(max(AHEAD - (sent - orders.folded), 0), 2000)
        else:
            due = min(int((time.monotonic() - since) * rate) - paced, 5000)
        for _ in range(due):
            value = next(stream)
            while True:
                try:
                    producer.produce(given.topic, value, partition=sent % given.partitions)
                except BufferError:
                    producer.poll(0.01)
                else:
                    break
            sent += 1
            paced += 1
        producer.poll(0)
        if rate or due == 0:
            time.sleep(SLICE_S)
    producer.flush(10)


if __name__ == "__main__":
    main()
