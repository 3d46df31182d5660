"""``foretide replay``: the same steps, the same decisions, byte for byte.

Rule: exits with 1 at the first difference, and shows it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from streams.cli import recordings


@click.command("replay")
@recordings.folder("A recording (foretide record), or the demo's demo-out.", required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the finding as JSON.")
def command(*, folder: Path, as_json: bool) -> None:
    """Run a recorded step log through the core, and compare the decisions byte for byte.

    Exits with 1 at the first difference.

    \b
    Example:
      foretide replay --from demo-out
    """
    from streams.replay import replay  # noqa: PLC0415 - heavy
    from streams.steplog import META, RecordingError, setting  # noqa: PLC0415 - heavy

    try:
        lateness_s, valid_s = setting(folder, "lateness_s"), setting(folder, "valid_s")
        found = replay(folder, lateness_s=lateness_s, valid_s=valid_s)
    except OSError as error:
        raise click.ClickException(
            f"{folder} is not a readable recording: {error.filename}: {error.strerror}"
        ) from error
    except (ValueError, RecordingError) as error:
        raise click.ClickException(f"{folder} is not a readable recording: {error}") from error
    same = found.first_difference is None
    if as_json:
        click.echo(
            json.dumps(
                {
                    "steps": found.steps,
                    "decisions": found.decisions,
                    "recorded": found.recorded,
                    "owners": found.owners,
                    "void": found.void,
                    "identical": same,
                    "first_difference": found.first_difference,
                }
            )
        )
    elif same:
        click.echo(
            f"{found.steps} steps, {found.decisions} decisions: identical, byte for byte, to the "
            f"{found.recorded} recorded"
        )
    else:
        click.echo(f"{found.steps} steps: {found.first_difference}", err=True)
        click.echo(
            f"replayed with a lateness of {lateness_s:g} s and decisions valid for {valid_s:g} s, "
            f"as {folder / META} has it; if the worker had others, record with its "
            "FORETIDE_LATENESS_S and FORETIDE_DECISION_VALID_S",
            err=True,
        )
    sys.exit(0 if same else 1)
