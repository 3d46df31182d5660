"""``python -m lab.plant``: the plant against queueing theory, as a table.

Rule: figures are computed here and now; nothing is stored.
"""

from __future__ import annotations

import sys

from lab.plant.validate import CASES, RUNS, examine


def main(requests: int = 4_000) -> None:
    """Print the table in Markdown."""
    out = sys.stdout
    out.write(f"{RUNS} runs of {requests:,} requests a case\n\n")
    out.write("| case | figure | theory | measured | off | nearest wrong plant | it is off |\n")
    out.write("|---|---|---|---|---|---|---|\n")
    for case in CASES:
        for row in examine(case, requests=requests):
            out.write(
                f"| {row.case} | {row.figure} | {row.theory:.4f} | {row.measured:.4f} "
                f"± {row.error:.4f} | {row.sigmas:.1f} SE | {row.wrong:.4f} "
                f"| {row.sigmas_wrong:.0f} SE |\n"
            )
            out.flush()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
