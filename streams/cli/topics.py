"""``foretide topics``: create them, look at them, hold the cluster to the table.

Rule: ``check`` exits with 1 when a worker would refuse to start.
"""

from __future__ import annotations

import sys

import click

from streams.cli import broker, options


@click.group("topics")
def command() -> None:
    """Create, describe and check the Kafka topics.

    \b
    Examples:
      foretide topics create --bootstrap localhost:9092
      foretide topics check
    """


@command.command("create")
@options.bootstrap
@click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    help="Partitions of each topic  [env: FORETIDE_PARTITIONS; default: 4]",
)
@click.option(
    "--replication",
    type=click.IntRange(1, 32),
    help="Brokers that keep each partition  [env: FORETIDE_REPLICATION; default: 1]",
)
def create(*, bootstrap: str | None, partitions: int | None, replication: int | None) -> None:
    """Create what is missing; what exists is left as it is.

    \b
    Example:
      foretide topics create --partitions 12 --replication 3
    """
    from streams import topics  # noqa: PLC0415 - heavy

    settings = options.settings(bootstrap=bootstrap, partitions=partitions, replication=replication)
    try:
        made = broker.run(settings, topics.create(settings))
    except topics.TopicsError as error:
        raise click.ClickException(str(error)) from error
    for name, what in made.items():
        click.echo(f"{what:8} {name}")


@command.command("describe", short_help="Print each topic's partitions, retention, key.")
@options.bootstrap
def describe(*, bootstrap: str | None) -> None:
    """Print each topic's name, partitions there are, retention and key."""
    from streams import topics  # noqa: PLC0415 - heavy

    settings = options.settings(bootstrap=bootstrap)
    counts = broker.run(settings, topics.partition_counts(settings))
    for name, topic in topics.TABLE.items():
        count = counts[name]
        kept = (
            "compacted"
            if topic.retention_ms is None
            else f"{topic.retention_ms // topics.HOUR_MS} h"
        )
        there = "missing" if count is None else f"{count} partitions"
        click.echo(f"{settings.topic_prefix + name:22} {there:14} {kept:10} key: {topic.key}")


@command.command("check", short_help="Hold the cluster to what a worker needs.")
@options.bootstrap
def check(*, bootstrap: str | None) -> None:
    """Compare the cluster's topics with what a worker needs; exits with 1 where they differ."""
    from streams import topics  # noqa: PLC0415 - heavy

    settings = options.settings(bootstrap=bootstrap)
    counts = broker.run(settings, topics.partition_counts(settings))
    found = topics.faults(counts, settings)
    for fault in found:
        click.echo(fault, err=True)
    if not found:
        click.echo(f"{len(counts)} topics, as they should be")
    sys.exit(1 if found else 0)
