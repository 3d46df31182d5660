"""Planes: numbers of one width, byte by byte, so that bytes that are alike lie together.

Rule: nothing is lost; it is for what is compressed afterwards (HDF5's and Blosc's shuffle filter).
Flow: Window.state, Promises.state -> planes -> snapshot -> lined -> restored.
"""

from __future__ import annotations


def planes(raw: bytes | bytearray, width: int) -> bytes:
    """First bytes of all numbers of ``width`` bytes, then the second ones, and so on.

    Of 1 and 2, 4 bytes each, little-endian: 1, 2, and six zeros.
    """
    return b"".join([raw[at::width] for at in range(width)])


def lined(raw: bytes, width: int) -> bytes:
    """What ``planes`` was given.  Raises ``ValueError``: not whole numbers."""
    count, over = divmod(len(raw), width)
    if over:
        raise ValueError(f"{len(raw)} bytes are no whole numbers of {width}")
    return b"".join([raw[at::count] for at in range(count)])
