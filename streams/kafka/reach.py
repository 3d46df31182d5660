"""Reaching Kafka: whether anybody answers at its address, told within seconds.

Rule: asks once, joins nothing; the reason is the network's own, in a few words.
Flow: before a command's own clients, which would try for minutes and log of each try.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Iterator

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.kafka.security import client_options
from streams.settings import Settings

PATIENCE_S = 5.0
"""How long each server may take to answer."""


class AwayError(Exception):
    """Nobody answered; the text is the reason."""


async def reach(settings: Settings) -> None:
    """Return once a broker has answered.

    Raises ``AwayError``, after ``PATIENCE_S`` a server at the latest, and ``SecurityError``.
    """
    found = _Collected()
    with logged_to(found):
        client = AIOKafkaClient(
            **client_options(settings), request_timeout_ms=int(PATIENCE_S * 1000)
        )
        try:
            async with asyncio.timeout(PATIENCE_S * len(settings.servers)):
                await client.bootstrap()
        except TimeoutError:
            raise AwayError(_unanswered()) from None
        except (KafkaError, OSError) as error:
            raise AwayError("; ".join(dict.fromkeys(found.reasons)) or str(error)) from error
        finally:
            await client.close()


@contextlib.contextmanager
def logged_to(handler: logging.Handler) -> Iterator[None]:
    """What aiokafka logs goes to ``handler`` alone.

    It says in its log alone why a server could not be reached, and of a broker that is away it
    logs dozens of lines a second.
    """
    log = logging.getLogger("aiokafka")
    propagate, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagate


class _Collected(logging.Handler):
    """The causes that log lines name last."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        if isinstance(cause, TimeoutError):
            self.reasons.append(_unanswered())
        elif isinstance(cause, ssl.SSLError):
            self.reasons.append(_of_tls(cause))
        elif isinstance(cause, OSError) and cause.errno and cause.errno > 0:
            self.reasons.append(os.strerror(cause.errno))
        elif isinstance(cause, OSError) and cause.strerror:
            self.reasons.append(cause.strerror)
        elif isinstance(cause, Exception):
            self.reasons.append(str(cause) or record.getMessage())


def _of_tls(error: ssl.SSLError) -> str:
    """An SSLError's number is OpenSSL's own, not the system's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message
        return f"its certificate is not trusted: {said} (FORETIDE_SSL_CAFILE names whom to trust)"
    said = (error.reason or str(error)).replace("_", " ").lower()
    return f"TLS failed: {said} (is FORETIDE_SECURITY_PROTOCOL what this port speaks?)"


def _unanswered() -> str:
    return f"no answer within {PATIENCE_S:g} s"
