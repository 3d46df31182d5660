"""Markdown: tables, numbers and folded parts, as the document has them.

Rule: what was not reached says n.r., what does not apply a dash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """The first ``left`` columns to the left, the others to the right."""
    lines = [_line(head), _line(["---"] * left + ["--:"] * (len(head) - left))]
    lines += [_line(row) for row in rows]
    return "\n".join(lines)


def folded(summary: str, text: str) -> str:
    """Shown when asked for."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def cost(value: float | None) -> str:
    """A multiple, three decimals."""
    return "n.r." if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Two decimals; a share that is not 0 is not told as 0.00."""
    if value is None:
        return "-"
    return f"{value * 100:.2f}" if value == 0 or value >= 0.00005 else "<0.01"  # noqa: PLR2004


def decimals(value: float | None, count: int = 1) -> str:
    """A plain number."""
    return "-" if value is None else f"{value:.{count}f}"


def signed_percent(value: float | None) -> str:
    """One decimal, with its sign."""
    return "n.r." if value is None else f"{value * 100:+.1f}"


def mark(text: str, kept: bool | None) -> str:  # noqa: FBT001 - three values
    """Bold where a target is missed."""
    return f"**{text}**" if kept is False else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
