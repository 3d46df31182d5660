"""Folding messages by hand: what a fetch would bring, as the core takes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from models.blocks import BlockFold
from models.columns import ColumnBuilder, Numbering
from models.domain.telemetry import Telemetry

Message = tuple[int, int, Iterable[Telemetry]]
"""(offset, append time in ms, events)"""


def fold_messages(folder: BlockFold, messages: Sequence[Message]) -> None:
    """Fold messages that came in one fetch."""
    fold_together(folder, messages, (Numbering(), Numbering(), Numbering()))


def fold_together(
    folder: BlockFold, messages: Sequence[Message], numbers: tuple[Numbering, Numbering, Numbering]
) -> None:
    """As ``fold_messages``, with the numbers of workloads, tenants and variants given."""
    builder = ColumnBuilder()
    for number, (_, _, events) in enumerate(messages):
        builder.add(number, events)
    offsets = np.array([offset for offset, _, _ in messages], np.int64)
    seconds = np.array([ms // 1000 for _, ms, _ in messages], np.int64)
    folder.fold(offsets, seconds, builder.build(*numbers))


def fold_one(folder: BlockFold, offset: int, ms: int, events: Iterable[Telemetry]) -> None:
    """Fold a message that came alone."""
    fold_messages(folder, [(offset, ms, events)])
