"""Agent sessions on top of a real trace: its arrivals become the starts of sessions.

Rule: every figure is published, derived from published ones, or named as an assumption.

Published (coding agents, one week of 2026, 301,026 sessions): 3.95 turns a session, 7.83 model
calls and 7.3 tool calls a turn, 67.8 k prompt tokens (85.7 % of them cached) and 528 completion
tokens a call, weekdays 4.5 times weekends.  Only means are published; the shapes are assumed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lab.traces.arrival import Arrival
from lab.traces.session import Call, Session

DAY_S = 86_400.0
WEEKDAYS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParameters:
    """Means of sessions.  The first block is published, the second assumed.

    Turns and calls are geometric (each turn, each call, is the last with the same chance), so the
    calls of a session are geometric too, with mean 3.95 x 7.83 = 30.9.  A prompt is all that came
    before and something new, so it grows along a session: the first has ``first_prompt`` tokens
    in the mean, and ``growth`` is what makes the mean over all calls 67.8 k.  A call finds its
    whole prefix in the cache or nothing of it (evicted, another replica); ``hit_ratio`` is what
    makes 85.7 % of all prompt tokens cached.  Tools run one after the other.
    """

    turns: float = 3.95
    calls_per_turn: float = 7.83
    tools_per_turn: float = 7.3
    prompt_tokens: float = 67_800.0
    cached_ratio: float = 0.857
    completion_tokens: float = 528.0
    weekday_over_weekend: float = 4.5

    first_prompt: float = 20_000.0
    shared_prompt: float = 12_000.0
    """Of the first prompt, what all sessions share (instructions, tools): it can be cached."""
    tool_p50_s: float = 1.0
    tool_sigma: float = 1.2
    think_p50_s: float = 40.0
    think_sigma: float = 1.2
    """Tools and users: log-normal by median and deviation of the logarithm."""

    def __post_init__(self) -> None:
        if min(self.turns, self.calls_per_turn) < 1:
            raise ValueError("turns and calls_per_turn are means of at least 1")
        if self.tools_per_turn < self.calls_per_turn - 1:
            raise ValueError("a turn has a tool between any two of its calls, at least")
        if not 0 <= self.shared_prompt <= self.first_prompt:
            raise ValueError("shared_prompt is a part of first_prompt")
        if self.growth <= self.completion_tokens:
            raise ValueError("prompt_tokens is too small for sessions of this length")
        if not 0 <= self.hit_ratio <= 1:
            raise ValueError(f"cached_ratio cannot be had: hit_ratio would be {self.hit_ratio:.3f}")

    @property
    def calls(self) -> float:
        """Model calls a session: 30.9."""
        return self.turns * self.calls_per_turn

    @property
    def growth(self) -> float:
        """Tokens by which a prompt grows from call to call: 1,597.

        The mean place of a call in a geometric session of mean m, counted from 0 and over all
        calls, is E[N(N-1)/2] / E[N] = m - 1.
        """
        return (self.prompt_tokens - self.first_prompt) / (self.calls - 1)

    @property
    def hit_ratio(self) -> float:
        """Chance that a call's prefix is cached: 0.88.

        One call in ``calls`` is a first one, whose prefix is ``shared_prompt``; the others'
        prefix is all but what is new.
        """
        first = 1 / self.calls
        new = first * (self.first_prompt - self.shared_prompt) + (1 - first) * self.growth
        return self.cached_ratio * self.prompt_tokens / (self.prompt_tokens - new)


def sessions(
    arrivals: Iterable[Arrival],
    parameters: SessionParameters | None = None,
    *,
    seed: int,
    thin: float = 1.0,
    monday_s: float | None = None,
) -> list[Session]:
    """A session for each arrival, in order; its own token counts are not used.

    ``thin`` keeps that share of arrivals.  ``monday_s``: seconds into the trace at which a Monday
    begins; then arrivals on Saturdays and Sundays are thinned to the published ratio (for a trace
    without a week of its own; None: the trace's week is kept as it is).  A session depends on the
    seed and its number only, not on those before it.
    """
    if not 0 < thin <= 1:
        raise ValueError(f"thin is {thin!r}, above 0 and at most 1 was expected")
    of = parameters or SessionParameters()
    keep = random.Random(f"{seed} thin")  # noqa: S311 - a generator's seeded chance
    found = []
    for number, arrival in enumerate(arrivals):
        share = thin
        if monday_s is not None and _weekend(arrival.at_s - monday_s):
            share /= of.weekday_over_weekend
        if share >= 1.0 or keep.random() < share:
            chance = random.Random(f"{seed} {number}")  # noqa: S311 - as above
            calls, tools = _calls(of, chance)
            found.append(
                Session(
                    name=f"s-{number}",
                    start_s=arrival.at_s,
                    calls=calls,
                    tools=tools,
                    tenant=arrival.tenant,
                )
            )
    return found


def unrolled(
    made: Iterable[Session], service_s: Callable[[int, int, int], float]
) -> tuple[Arrival, ...]:
    """Sessions as plain arrivals, in order of time, each call taking an estimated time.

    ``service_s(tokens_in, tokens_out, tokens_cached)``, such as ``Variant.service_s``.  An open
    loop: under overload calls arrive before the call they follow has ended.  The plant takes
    sessions as they are (``Plant(sessions=...)``) and keeps the order whatever happens; this is
    for what needs a list of arrivals, such as a minute series.
    """
    found = []
    for session in made:
        at = session.start_s
        for call in session.calls:
            at += call.pause_s
            found.append(
                Arrival(
                    at_s=at,
                    tokens_in=call.tokens_in,
                    tokens_out=call.tokens_out,
                    tokens_cached=call.tokens_cached,
                    tenant=session.tenant,
                    session=session.name,
                )
            )
            at += service_s(call.tokens_in, call.tokens_out, call.tokens_cached)
    found.sort(key=lambda arrival: arrival.at_s)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A realised ratio of two sums over sessions, and its standard error."""

    value: float
    error: float


def statistics(made: Sequence[Session]) -> dict[str, Ratio]:
    """The realised figures under the names of ``SessionParameters``; at least two sessions.

    Sessions are independent, so a ratio of sums has the error of its linearisation (delta
    method): deviation of (numerator - ratio x denominator) over the mean denominator.
    """
    turns = [float(session.calls[-1].turn + 1) for session in made]
    calls = [float(len(session.calls)) for session in made]
    prompt = [float(sum(c.tokens_in for c in session.calls)) for session in made]
    return {
        "turns": _ratio(turns, [1.0] * len(turns)),
        "calls_per_turn": _ratio(calls, turns),
        "tools_per_turn": _ratio([float(session.tools) for session in made], turns),
        "prompt_tokens": _ratio(prompt, calls),
        "cached_ratio": _ratio(
            [float(sum(c.tokens_cached for c in session.calls)) for session in made], prompt
        ),
        "completion_tokens": _ratio(
            [float(sum(c.tokens_out for c in session.calls)) for session in made], calls
        ),
    }


def _ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    count = len(above)
    value = math.fsum(above) / math.fsum(below)
    spread = math.fsum((a - value * b) ** 2 for a, b in zip(above, below, strict=True))
    mean = math.fsum(below) / count
    return Ratio(value=value, error=math.sqrt(spread / (count - 1) / count) / mean)


def _weekend(since_monday_s: float) -> bool:
    return since_monday_s // DAY_S % 7 >= WEEKDAYS


def _calls(of: SessionParameters, chance: random.Random) -> tuple[tuple[Call, ...], int]:
    """One session's calls, and how many tools they ran."""
    # A turn of n calls has n - 1 gaps with a tool each, and further tools in those or at its end.
    more_tools = of.tools_per_turn - (of.calls_per_turn - 1)
    prompt = float(max(round(_positive(of.first_prompt, chance)), 1))
    prefix = min(of.shared_prompt / of.first_prompt, 1.0) * prompt
    found: list[Call] = []
    tools = 0
    for turn in range(_geometric(of.turns, chance)):
        pause_s = 0.0 if turn == 0 else _log_normal(of.think_p50_s, of.think_sigma, chance)
        calls = _geometric(of.calls_per_turn, chance)
        spare = _geometric(more_tools + 1, chance) - 1
        tools += calls - 1 + spare
        for place in range(calls):
            if place:
                runs = 1 + (spare if place == 1 else 0)
                pause_s = math.fsum(
                    _log_normal(of.tool_p50_s, of.tool_sigma, chance) for _ in range(runs)
                )
            completion = _geometric(of.completion_tokens, chance)
            cached = prefix if chance.random() < of.hit_ratio else 0.0
            found.append(
                Call(
                    pause_s=pause_s,
                    turn=turn,
                    tokens_in=round(prompt),
                    tokens_cached=int(cached),
                    tokens_out=completion,
                )
            )
            prefix = prompt
            prompt += completion + chance.expovariate(1 / (of.growth - of.completion_tokens))
    return tuple(found), tools


def _geometric(mean: float, chance: random.Random) -> int:
    """1, 2, 3, ... with this mean."""
    if mean <= 1:
        return 1
    return 1 + int(math.log(1.0 - chance.random()) / math.log1p(-1 / mean))


def _positive(mean: float, chance: random.Random) -> float:
    """Log-normal with this mean and a coefficient of variation of 0.5."""
    variance = math.log(1.25)
    return mean * math.exp(math.sqrt(variance) * chance.gauss(0.0, 1.0) - variance / 2)


def _log_normal(median: float, sigma: float, chance: random.Random) -> float:
    return median * math.exp(sigma * chance.gauss(0.0, 1.0))
