"""``python -m lab.servers build``: build the servers for the live tests.

Rule: exit 1 with the reason when something is missing.
"""

from __future__ import annotations

import sys

from lab.servers.build import build
from lab.servers.tools import ToolsMissingError


def main() -> None:
    """Build."""
    if sys.argv[1:] != ["build"]:
        sys.exit("usage: python -m lab.servers build")
    try:
        build()
    except ToolsMissingError as error:
        sys.exit(str(error))


main()
