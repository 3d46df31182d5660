"""The command line: ``foretide``.

Rule: heavy imports happen inside commands, so that help is quick; every error says what to do.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys

import click

COMMANDS = {
    "demo": "A real hour of LLM traffic through the whole loop, in about two minutes.",
    "worker": "Run a worker: all roles, or some.",
    "topics": "Create, describe and check the Kafka topics.",
    "publish": "Publish telemetry from a file, stdin or a trace.",
    "status": "How the loop stands: lag, watermarks, and what to do.",
    "tail": "Follow decisions, forecasts, outcomes or rejected input.",
    "explain": "Why this number of replicas, and not one more or fewer.",
    "check": "Check AgentScaler and Pool files.",
    "schema": "Print the JSON Schemas of all records.",
    "record": "Record decisions, and all that led to them, into a folder.",
    "replay": "Run a recorded step log through the core again.",
    "backtest": "Policies side by side on a trace, or a recording of yours.",
    "forecast-eval": "How far the forecaster misses on a trace of yours, or a published one.",
    "shadow": "What Foretide would have done, against what the running autoscaler did.",
}


class _Lazy(click.Group):
    """Imports a command's module when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"streams.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            raise click.UsageError(
                f"no such command {args[0]!r}; there are: {', '.join(COMMANDS)}", ctx
            ) from None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="foretide", prog_name="foretide")
def group() -> None:
    """Foretide: an event-driven streaming autoscaler for fleets of AI agents.

    Settings come from the environment (FORETIDE_BOOTSTRAP and so on, see the README); an option
    goes before its variable.  Errors say what to do: 2 is a wrong option, 1 anything else.

    \b
    Begin with:
      foretide demo
    """


def logs(level: str = "INFO") -> None:
    """Logs to stderr, one line each; libraries only when they warn."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    from streams.calm import Calm  # noqa: PLC0415 - only where there is a log

    # Faust's services log by the module that their class is in, which is ours.
    noisy = ("faust", "mode", "aiokafka", "kubernetes_asyncio")
    for name in (*noisy, "streams.kafka.transport"):
        logging.getLogger(name).setLevel("DEBUG" if level == "DEBUG" else "WARNING")
    for handler in logging.getLogger().handlers:
        handler.addFilter(Calm(noisy))


PIPE_CLOSED = 141
"""What a shell shows of a program that SIGPIPE ended: 128 and 13."""


def main() -> None:
    """Entry point."""
    try:
        _leave(_run())
    except BrokenPipeError:
        _leave_unsaid(PIPE_CLOSED, 1, 2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        where = error.filename or "the output"
        click.echo(f"Error: {where} cannot be written: {error.strerror}", err=True)
        _leave_unsaid(1, 1)


def _run() -> int | str | None:
    """The exit status; whoever read our output may have gone, which click and rich exit with 1."""
    try:
        status = group(standalone_mode=False)
        return status if isinstance(status, int) else 0
    except SystemExit as leave:
        if isinstance(leave.__context__, BrokenPipeError):
            raise leave.__context__ from None
        return leave.code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code


def _leave(status: int | str | None) -> None:
    """Exit, with all written that was said: a pipe may turn out to be closed only now."""
    if sys.__stdout__ is not None:
        sys.stdout.flush()
    sys.exit(status)


def _leave_unsaid(status: int, *streams: int) -> None:
    """Exit, and keep Python from trying to write the rest to ``streams``."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream)
    sys.exit(status)
