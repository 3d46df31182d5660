"""Names beside marks: none on another, none on a mark, none outside.

Rule: as near as there is room; who had to move is joined to its mark by a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LETTER = 6.6
"""Width of a letter of a name, in the drawing's units."""

HEIGHT = 14
GAP = 10
FAR = 20
"""A name further than this up or down gets a line."""

MOVES = tuple(sign * HEIGHT * step for step in range(40) for sign in (1, -1))


def width_of(text: str) -> float:
    """A name's."""
    return len(text) * LETTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle."""

    left: float
    right: float
    top: float
    bottom: float

    @classmethod
    def around(cls, x: float, y: float, size: float) -> Box:
        """A square."""
        return cls(left=x - size, right=x + size, top=y - size, bottom=y + size)

    def meets(self, other: Box) -> bool:
        """Whether they have a part in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Where a name stands; ``mark`` is what it names."""

    x: float
    y: float
    anchor: str
    mark: tuple[float, float]

    def leader(self) -> str:
        """The line to its mark; empty where it is near."""
        x, y = self.mark
        if abs(self.y - 4 - y) < FAR:
            return ""
        near = self.x + (-2 if self.anchor == "start" else 2)
        return f'<line class="leader" x1="{x}" y1="{y}" x2="{near}" y2="{self.y - 4}"/>'


class Labels:
    """Places names one after the other."""

    def __init__(self, marks: Sequence[Box], *, top: float, bottom: float) -> None:
        """Between ``top`` and ``bottom``."""
        self._taken = list(marks)
        self._top, self._bottom = top, bottom

    def place(self, text: str, x: float, y: float, *, left: float, right: float) -> Label:
        """Near (x, y), between ``left`` and ``right``; beside it where there is no room at all."""
        width = width_of(text)
        sides = ((x + GAP, "start"), (x - GAP - width, "end"))
        fits = [side for side in sides if left <= side[0] and side[0] + width <= right]
        for moved in MOVES:
            for begin, anchor in fits:
                box = Box(
                    left=begin,
                    right=begin + width,
                    top=y + moved - HEIGHT / 2,
                    bottom=y + moved + HEIGHT / 2,
                )
                inside = self._top <= box.top and box.bottom <= self._bottom
                if inside and not any(box.meets(taken) for taken in self._taken):
                    self._taken.append(box)
                    return _label(x, y, moved, anchor)
        return _label(x, y, 0, "start" if x + GAP + width <= right else "end")


def _label(x: float, y: float, moved: float, anchor: str) -> Label:
    placed = x + GAP if anchor == "start" else x - GAP
    return Label(x=round(placed, 1), y=round(y + moved + 4, 1), anchor=anchor, mark=(x, y))
