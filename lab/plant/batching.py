"""Continuous batching: requests in one replica share its iterations, and slow each other down.

Rule: exact between events (a closed form, no time steps), and causal: how fast a batch runs
depends on what has been generated, never on what will be.

The model.  An engine runs iterations; each gives every decoding request one token, and the first
of the prompts that are not read yet one chunk (iterations: Orca, OSDI 2022; chunks beside
decoding: Sarathi-Serve, OSDI 2024; first come first served, as engines do by default).  An
iteration reads the weights once, the keys and values of every decoding request once, and
computes the chunk (roofline: the first two are bound by bandwidth, the last by compute)::

    seconds = base + sum over decoding (per_sequence + kv_per_token * context)
                   + prefill_per_token * chunk

All requests advance by one iteration together, so one clock of iterations, v, does for a whole
batch: a request ends when v reaches its mark.  Contexts grow by one token an iteration, hence
dt = (A + B x) dx over x iterations, t = A x + B x^2 / 2, which is solved for x or t exactly.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Seconds that an iteration takes, by what is in it.

    The defaults are of the order of a 13 B model in 16 bits on an accelerator with 2 TB/s and
    312 TFLOP/s.  ``base_s``: 26 GB of weights take 13 ms to read; twice that, for the launches
    and gaps of an engine, is the 40 tokens/s of the plant without batching.  ``kv_s_per_token``:
    2 x 40 layers x 5,120 x 2 bytes = 0.82 MB a token, 0.41 us.  ``prefill_s_per_token``: 26 GFLOP
    a token at 40 % of the peak, 0.2 ms.  ``per_sequence_s``: sampling and scheduling.  A request
    of 2,000 tokens alone decodes at 1 / (25 + 0.1 + 0.82 ms) = 38.6 tokens/s, beside 31 like it
    at 1 / 54.4 ms = 18.4.

    ``kv_tokens`` is how many tokens of context fit a replica's memory, None: any number.  A
    request is let in when its prompt and ``reserve_tokens`` for what it will write (nobody knows
    how much that will be) fit beside what is held by those inside; into an empty replica always.
    """

    base_s: float = 0.025
    per_sequence_s: float = 0.0001
    kv_s_per_token: float = 0.41e-6
    prefill_s_per_token: float = 0.0002
    chunk_tokens: int = 512
    kv_tokens: int | None = None
    reserve_tokens: int = 1024

    def __post_init__(self) -> None:
        for name in ("base_s", "per_sequence_s", "kv_s_per_token", "prefill_s_per_token"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                msg = f"{name} is {value!r}, a finite number of at least 0 was expected"
                raise ValueError(msg)
        if self.base_s + self.per_sequence_s <= 0:
            msg = "base_s and per_sequence_s are both 0: an iteration would take no time"
            raise ValueError(msg)
        if self.chunk_tokens < 1:
            msg = f"chunk_tokens is {self.chunk_tokens}, at least 1 was expected"
            raise ValueError(msg)
        if self.reserve_tokens < 0 or (self.kv_tokens is not None and self.kv_tokens < 1):
            msg = (
                f"kv_tokens is {self.kv_tokens}, reserve_tokens {self.reserve_tokens}: at least 1 "
                "and 0 were expected"
            )
            raise ValueError(msg)

    def iteration_s(self, decoding: int, context_tokens: float = 0.0) -> float:
        """Seconds of an iteration of ``decoding`` requests with so many tokens in all."""
        return self.base_s + self.per_sequence_s * decoding + self.kv_s_per_token * context_tokens

    def prefill_iterations(self, fresh_tokens: int) -> int:
        """Iterations that a prompt of ``fresh_tokens`` that are in no cache takes: 513 take 2."""
        return -(-fresh_tokens // self.chunk_tokens)

    def alone_s(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> float:
        """Seconds of a request that has a replica to itself.

        1,024 fresh tokens in and 11 out: 2 x 127.4 ms, then 10 x 25.52 ms, 0.51 s in all.
        """
        fresh = max(tokens_in - tokens_cached, min(tokens_in, 1))
        steps = tokens_out - (1 if fresh > 0 else 0)
        prefill_s = self.prefill_iterations(fresh) * self.base_s + fresh * self.prefill_s_per_token
        if steps <= 0:
            return prefill_s
        context = tokens_in + tokens_out - steps
        first_s = self.iteration_s(1, context)
        return prefill_s + steps * (first_s + self.kv_s_per_token * steps / 2)


LONG_CONTEXT = Batching(
    base_s=0.0105,
    per_sequence_s=0.0001,
    kv_s_per_token=0.0122e-6,
    prefill_s_per_token=0.000044,
    chunk_tokens=2048,
    kv_tokens=1_500_000,
)
"""Of the order of a 70 B model with grouped-query attention on eight accelerators of 3.35 TB/s and
989 TFLOP/s, as agents' long prompts need: 140 GB of weights take 5.2 ms to read (twice that, as
above), 2 x 80 layers x 1,024 x 2 bytes = 0.33 MB a token 0.0122 us, 140 GFLOP a token at 40 % of
the peak 0.044 ms.  Of 640 GB the weights leave 500 GB, which hold 1.5 million tokens."""


class Sequence(Protocol):
    """What a batch needs to know of a request."""

    tokens_in: int
    tokens_out: int
    tokens_cached: int


S = TypeVar("S", bound=Sequence)


class Batch(Generic[S]):
    """The requests in one replica.  Times in seconds; every method takes the time it is at."""

    __slots__ = (
        "_at",
        "_context",
        "_decoding",
        "_marks",
        "_model",
        "_order",
        "_prompts",
        "_reading_s",
        "_v",
    )

    def __init__(self, model: Batching) -> None:
        self._model = model
        self._order = itertools.count()
        self._marks: list[tuple[float, int, S, bool]] = []
        """(mark, order, request, whether it is decoding)."""
        self._prompts: deque[tuple[S, int, float]] = deque()
        """(request, iterations, seconds each is longer by): the first is read, the others wait."""
        self._v = self._at = self._context = self._reading_s = 0.0
        self._decoding = 0

    def __len__(self) -> int:
        return self._decoding + len(self._prompts)

    def join(self, request: S, at: float) -> None:
        """Begin with ``request``: its prompt first, then its completion."""
        self._to(at)
        fresh = request.tokens_in - request.tokens_cached
        if request.tokens_in > 0:
            fresh = max(fresh, 1)  # An engine computes at least the last token of a prompt.
        if fresh <= 0:
            self._decode(request, request.tokens_out)
            return
        iterations = self._model.prefill_iterations(fresh)
        longer_s = fresh * self._model.prefill_s_per_token / iterations
        self._prompts.append((request, iterations, longer_s))
        if len(self._prompts) == 1:
            self._read()

    def next_at(self) -> float:
        """When the next mark is reached if nobody joins or leaves; infinite when empty."""
        if not self._marks:
            return math.inf
        x = max(self._marks[0][0] - self._v, 0.0)
        linear, growing = self._pace()
        return self._at + x * (linear + growing * x / 2)

    def reach(self, at: float) -> tuple[S, bool]:
        """The mark due at ``at`` (``next_at``): the request, and whether it has ended.

        Not ended: its prompt is done, and its first token is out.
        """
        mark, _, request, decoding = heapq.heappop(self._marks)
        self._context += self._decoding * max(mark - self._v, 0.0)
        self._v, self._at = max(mark, self._v), at
        ended = True
        if decoding:
            self._decoding -= 1
            self._context -= request.tokens_in + request.tokens_out
        else:
            self._prompts.popleft()
            self._reading_s = 0.0
            if self._prompts:
                self._read()
            if request.tokens_out > 1:  # The prompt's last iteration gives the first token.
                self._decode(request, request.tokens_out - 1)
                ended = False
        # An empty batch counts from 0, so that rounding does not add up over days.
        if self._decoding == 0:
            self._context = 0.0
            if not self._prompts:
                self._v = 0.0
        return request, ended

    def clear(self, at: float) -> None:
        """Everybody is gone: the replica failed."""
        self._marks.clear()
        self._prompts.clear()
        self._v = self._context = self._reading_s = 0.0
        self._decoding = 0
        self._at = at

    def _read(self) -> None:
        request, iterations, self._reading_s = self._prompts[0]
        self._mark(request, iterations, decoding=False)

    def _decode(self, request: S, iterations: int) -> None:
        self._decoding += 1
        self._context += request.tokens_in + request.tokens_out - iterations
        self._mark(request, iterations, decoding=True)

    def _mark(self, request: S, iterations: int, *, decoding: bool) -> None:
        heapq.heappush(self._marks, (self._v + iterations, next(self._order), request, decoding))

    def _pace(self) -> tuple[float, float]:
        """Seconds of an iteration now, and by how much each further one is longer."""
        model = self._model
        linear = model.iteration_s(self._decoding, self._context) + self._reading_s
        return linear, model.kv_s_per_token * self._decoding

    def _to(self, at: float) -> None:
        elapsed = at - self._at
        if elapsed > 0 and self._marks:
            linear, growing = self._pace()
            root = math.sqrt(linear * linear + 2 * growing * elapsed)
            if root > 0:
                x = 2 * elapsed / (linear + root)
                self._v += x
                self._context += self._decoding * x
        self._at = at
