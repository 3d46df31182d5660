"""What a command writes, and what it must not write over.

Rule: an output that cannot be written, that is also read, or that two results would share, is
refused before any work; a link is what it leads to.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import click

from lab.files import replaced

if TYPE_CHECKING:
    from rich.console import RenderableType

STDOUT = "-"

WIDEST = 200
"""Of a table where there is no terminal, in characters."""

NOTHING: Mapping[str, Path | str | None] = MappingProxyType({})

FILE = click.Path(dir_okay=False, allow_dash=True, writable=True)


def as_json(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option ``--json [OUT]``, of which ``what`` are the contents; without OUT it is stdout."""
    return click.option(
        "--json",
        "json_out",
        type=FILE,
        is_flag=False,
        flag_value=STDOUT,
        metavar="[OUT]",
        help=f"{what} as JSON, shares 0 to 1; -, or nothing: stdout, in place of the table.",
    )


def show(table: RenderableType) -> None:
    """Print a table: on a terminal as wide as that is, elsewhere as wide as the table is.

    There no line ends in blanks, so that it can be compared and put into a document.
    """
    from rich.console import Console  # noqa: PLC0415 - heavy

    if sys.stdout is None:
        return  # Closed: nobody reads it.
    if click.get_text_stream("stdout").isatty():
        Console().print(table)
        return
    console = Console(width=WIDEST)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


@contextmanager
def written(path: str) -> Iterator[IO[str]]:
    """A stream of text that takes the file's place once all of it is written.

    Until then, and after a fault, the file is as it was; but ``-`` (stdout), a device, and a file
    in a folder that takes no other are written to as it comes.  Raises ``click.ClickException``
    for ``OSError``, but not where a reader has gone.
    """
    try:
        if path == STDOUT or not _replaceable(path):
            with click.open_file(path, "w", encoding="utf-8") as out:
                yield out
        else:
            with replaced(Path(os.path.realpath(path))) as out:
                yield out
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error


def _replaceable(path: str) -> bool:
    """Whether a new file may take its place; of another's in a sticky folder, none may."""
    real = Path(os.path.realpath(path))
    if not os.access(real.parent, os.W_OK):
        return False
    if not real.exists():
        return True
    folder = real.parent.stat()
    mine = os.getuid() in {0, real.stat().st_uid, folder.st_uid}
    return real.is_file() and (mine or not folder.st_mode & stat.S_ISVTX)


def writable(
    outputs: Mapping[str, str | None],
    inputs: Mapping[str, Path | str | None] = NOTHING,
    *,
    parents: bool = False,
) -> None:
    """Refuse outputs that could not be written, or must not be, before long work.

    Both by the option that names them; None: not given.  An input that is a folder is all files
    in it.  ``parents``: folders that are missing will be made.  Raises ``click.UsageError``.
    """
    given = {option: path for option, path in outputs.items() if path is not None}
    for (option, path), (other, same) in combinations(given.items(), 2):
        if _one(path, same):
            where = "stdout" if path == STDOUT else path
            raise click.UsageError(
                f"{option} and {other} would both be written to {where}; give each its own"
            )
    for option, path in given.items():
        for source, read in inputs.items():
            if any(_one(path, found) for found in _files(read)):
                raise click.UsageError(
                    f"{option} {path} would be written over what {source} reads; give another file"
                )
        if path != STDOUT:
            _placed(path, parents=parents)


def _placed(path: str, *, parents: bool) -> None:
    folder = Path(path).parent
    while parents and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise click.UsageError(f"{path} cannot be written: there is no folder {folder}")
    if not Path(path).exists() and not os.access(folder, os.W_OK):
        raise click.UsageError(f"{path} cannot be written: {folder} allows no new files")


def _files(read: Path | str | None) -> Iterator[str]:
    """The file, or those in the folder."""
    if read is None:
        return
    path = Path(read)
    yield from (str(found) for found in path.iterdir()) if path.is_dir() else (str(path),)


def _one(path: str, other: str) -> bool:
    """Whether both are one file; a device is none, and takes any number of outputs."""
    if STDOUT in {path, other}:
        return path == other
    there = [Path(one) for one in (path, other) if Path(one).exists()]
    if any(not one.is_file() for one in there):
        return False
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    return len(there) == 2 and there[0].samefile(there[1])  # noqa: PLR2004 - both
