"""Kafka connection options from settings, in the forms that aiokafka and Faust want.

Rule: SASL and TLS are passed through; a half-given combination is refused with what is missing.
"""

from __future__ import annotations

import ssl
from typing import Any

import faust

from streams.settings import Settings


class SecurityError(ValueError):
    """Settings of SASL or TLS that do not belong together."""


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context, None when the protocol is not TLS.

    Raises ``SecurityError`` for files that cannot be read as certificates.
    """
    if "SSL" not in settings.security_protocol:
        return None
    try:
        context = ssl.create_default_context(
            cafile=None if settings.ssl_cafile is None else str(settings.ssl_cafile)
        )
    except OSError as error:
        raise SecurityError(_unread("FORETIDE_SSL_CAFILE", settings.ssl_cafile, error)) from error
    if settings.ssl_certfile is not None:
        try:
            context.load_cert_chain(
                str(settings.ssl_certfile),
                None if settings.ssl_keyfile is None else str(settings.ssl_keyfile),
            )
        except OSError as error:
            key = settings.ssl_keyfile or "the key in it (FORETIDE_SSL_KEYFILE names another)"
            given = f"{settings.ssl_certfile} with {key}"
            raise SecurityError(_unread("FORETIDE_SSL_CERTFILE", given, error)) from error
    return context


def _unread(name: str, value: object, error: OSError) -> str:
    return f"{name}: {value} cannot be read as PEM: {error.strerror or error}"


def _sasl(settings: Settings) -> tuple[str, str] | None:
    if "SASL" not in settings.security_protocol:
        return None
    if settings.sasl_username is None or settings.sasl_password is None:
        msg = (
            f"security_protocol {settings.security_protocol} needs FORETIDE_SASL_USERNAME and "
            "FORETIDE_SASL_PASSWORD"
        )
        raise SecurityError(msg)
    return settings.sasl_username, settings.sasl_password.get_secret_value()


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.servers),
        "security_protocol": settings.security_protocol,
    }
    context = ssl_context(settings)
    if context is not None:
        options["ssl_context"] = context
    sasl = _sasl(settings)
    if sasl is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"], options["sasl_plain_password"] = sasl
    return options


def faust_credentials(settings: Settings) -> Any:
    """What Faust calls ``broker_credentials``; None on a plaintext cluster."""
    context = ssl_context(settings)
    sasl = _sasl(settings)
    if sasl is not None:
        return faust.SASLCredentials(
            username=sasl[0],
            password=sasl[1],
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
    return None if context is None else faust.SSLCredentials(context)
