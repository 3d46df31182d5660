"""Running cells in processes: longest first, each kept as soon as it is done.

Rule: what is kept is not run again; to stop is to lose at most what is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import active_children, get_context
from multiprocessing.connection import wait as ended_within
from multiprocessing.process import BaseProcess

from lab.results.cache import Cache
from lab.results.cell import Cell, Found, run_cell
from lab.results.sources import Source

DAY_S = 86_400.0
STEP_DAYS = 1.0
"""Of ``step10x`` on minutes, at most."""

SERVED_DAYS = 2.0
"""An hour request by request takes about as long as two days of the fluid plant."""

ASKED_S = 2.0
"""How long a child has to end after it was asked to."""

Say = Callable[[str], None]


def run(
    cells: Sequence[Cell],
    sources: Mapping[str, Source],
    cache: Cache,
    *,
    jobs: int,
    say: Say,
    every_s: float = 15.0,
) -> list[Found]:
    """What came of ``cells``, in their order; ``say`` is told how far it is every ``every_s``.

    Whatever a cell raises is raised, with a note that says which it was; what was done is kept.
    """
    done: dict[Cell, Found] = {}
    for cell in cells:
        kept = cache.load(cell, sources[cell.trace])
        if kept is not None:
            done[cell] = kept
    due = sorted((cell for cell in cells if cell not in done), key=lambda c: -_work(c, sources))
    say(f"{len(cells)} backtests, {len(done)} of them kept from before")
    if due:
        watch = _Watch(due, sources, say, every_s)
        # spawn: a child that begins clean, whatever threads this process has.
        pool = ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn"))
        try:
            cell_of = {pool.submit(run_cell, cell, sources[cell.trace]): cell for cell in due}
            under_way = set(cell_of)
            while under_way:
                ended, under_way = wait(under_way, timeout=1.0, return_when=FIRST_COMPLETED)
                for one in ended:
                    found = _result(one, cell_of[one])
                    cache.keep(found, sources[found.cell.trace])
                    done[found.cell] = found
                    watch.ended(found.cell)
                watch.look()
        except BaseException:
            # A cell may take minutes: who stops it does not wait for those that are under way.
            pool.shutdown(wait=False, cancel_futures=True)
            _end(active_children())
            raise
        pool.shutdown()
    return [done[cell] for cell in cells]


def _end(children: Sequence[BaseProcess]) -> None:
    """Ask them to end, and do not ask twice: a child that is only beginning may not hear it.

    That they ended is read off their sentinels: the pool's own thread reaps them too, and who
    comes second learns nothing from ``join``.
    """
    for child in children:
        child.terminate()
    for child in children:
        if not ended_within([child.sentinel], ASKED_S):
            child.kill()
            ended_within([child.sentinel], ASKED_S)


def _result(done: Future[Found], cell: Cell) -> Found:
    try:
        return done.result()
    except Exception as error:
        error.add_note(f"in the backtest of {cell}")
        raise


def _work(cell: Cell, sources: Mapping[str, Source]) -> float:
    """About how long it takes, in days that Foretide lives through."""
    days = sources[cell.trace].length_s / DAY_S
    if cell.part == "requests":
        return SERVED_DAYS
    if cell.hours is not None:
        days = min(days, cell.hours * 3600 / DAY_S)
    return min(days, STEP_DAYS) if cell.part == "steps" else days


class _Watch:
    """How far it is, and about how much longer it takes."""

    def __init__(
        self, due: Sequence[Cell], sources: Mapping[str, Source], say: Say, every_s: float
    ) -> None:
        self._sources = sources
        self._say = say
        self._every_s = every_s
        self._count, self._ended = len(due), 0
        self._work, self._worked = sum(_work(cell, sources) for cell in due), 0.0
        self._begun = self._said = time.monotonic()

    def ended(self, cell: Cell) -> None:
        self._ended += 1
        self._worked += _work(cell, self._sources)

    def look(self) -> None:
        now = time.monotonic()
        last = self._ended == self._count
        if now - self._said < self._every_s and not last:
            return
        self._said = now
        spent = now - self._begun
        text = f"{self._ended} of {self._count} run, {_minutes(spent)}"
        if self._worked and not last:
            left = spent * (self._work / self._worked - 1.0)
            text += f", about {_minutes(left)} to go"
        self._say(text)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"
