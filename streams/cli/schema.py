"""``foretide schema``: the JSON Schemas of all records.

Rule: what is printed is what the code validates with.
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command("schema")
@click.argument("name", required=False)
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write all of them to this folder instead.",
)
def command(*, name: str | None, write: Path | None) -> None:
    """Print the JSON Schema of a record, or of all.

    NAME: telemetry, load, steps, forecasts, proposals, decisions, outcomes, rejected, agentscaler,
    pool; or asyncapi, the document of all topics.

    \b
    Examples:
      foretide schema telemetry
      foretide schema --write schemas/
    """
    from streams.schemas import schemas, text  # noqa: PLC0415 - heavy

    made = schemas()
    if write is not None:
        try:
            write.mkdir(parents=True, exist_ok=True)
            for record, document in made.items():
                (write / f"{record}.json").write_text(text(document), encoding="utf-8")
        except OSError as error:
            where = error.filename or write
            raise click.ClickException(f"{where} cannot be written: {error.strerror}") from error
        click.echo(f"{len(made)} schemas in {write}", err=True)
        return
    if name is None:
        click.echo(text(made), nl=False)
    elif name in made:
        click.echo(text(made[name]), nl=False)
    else:
        raise click.UsageError(f"no record {name!r}; there are: {', '.join(made)}")
