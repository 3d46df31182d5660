"""``foretide check``: every fault of spec files at once, as a compiler would say them.

Rule: exits with 1 if there is a fault; warnings do not fail.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--show", is_flag=True, help="Print the effective specs, defaults filled in.")
def command(*, files: tuple[Path, ...], show: bool) -> None:
    """Check AgentScaler and Pool FILES (YAML or JSON, or folders of .yaml files).

    Every fault is told with file, line and field; exits with 1 if there is one.

    \b
    Examples:
      foretide check examples/
      foretide check --show examples/support-bot.yaml
    """
    from streams.specs import effective, read_specs  # noqa: PLC0415 - heavy

    found = read_specs(files)
    for fault in found.faults:
        click.secho(str(fault), fg="red", err=True)
    for warning in found.warnings:
        click.secho(f"{warning} (warning)", fg="yellow", err=True)
    if show:
        for shown in [*map(effective, found.pools), *map(effective, found.scalers)]:
            click.echo(f"---\n{shown}")
    counts = (
        ("AgentScaler", found.scalers),
        ("Pool", found.pools),
        ("fault", found.faults),
        ("warning", found.warnings),
    )
    told = (f"{len(each)} {name}{'' if len(each) == 1 else 's'}" for name, each in counts)
    click.echo(", ".join(told), err=True)
    sys.exit(1 if found.faults else 0)
