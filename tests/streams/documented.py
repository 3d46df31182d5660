"""Commands as documents have them: in fenced blocks after a prompt, in code spans, and in help."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from streams.cli import COMMANDS, group

ROOT = Path(__file__).parents[2]

DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "client/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
SHELL = {"console", "bash", "sh", "shell"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A command line, and what the document says it prints; ``place`` is where it stands."""

    place: str
    line: str
    output: str = ""

    def words(self) -> list[str]:
        """Its words, without the program's name, a remark, or what it is piped into."""
        lexer = shlex.shlex(self.line, posix=True, punctuation_chars="|>&;")
        lexer.whitespace_split = True
        found = []
        for word in lexer:
            if set(word) <= set("|>&;"):
                break
            found.append(word)
        return found[1:]


def blocks(document: Path) -> Iterator[Shown]:
    """Command lines of the document's shell blocks, each with its output."""
    for language, text in FENCE.findall(document.read_text(encoding="utf-8")):
        if language not in SHELL:
            continue
        for part in re.split(r"^ *\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            yield Shown(place=document.name, line=line.strip(), output=output)


def spans(document: Path) -> list[str]:
    """All code spans, on one line each."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    return [" ".join(span.split()) for span in SPAN.findall(text)]


def helped() -> Iterator[Shown]:
    """The examples in the help of each command."""
    for name in COMMANDS:
        text = CliRunner().invoke(group, [name, "--help"]).output
        for line in text.splitlines():
            found = re.match(r" {4}(?:.*\| )?(foretide .*)$", line)
            if found:
                yield Shown(place=f"foretide {name} --help", line=found[1])


def everything() -> list[Shown]:
    """All command lines of ``foretide``, wherever they stand."""
    found = list(helped())
    for document in DOCUMENTS:
        in_text = [span for span in spans(document) if span.startswith("foretide ")]
        found += [Shown(place=document.name, line=line) for line in in_text]
        for shown in blocks(document):
            line = shown.line.removeprefix(".venv/bin/")
            if line.startswith("foretide "):
                found.append(Shown(place=shown.place, line=line, output=shown.output))
    return found
