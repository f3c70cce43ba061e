"""Certificates of TLS, read from files that operators name."""

from __future__ import annotations

import ssl
from pathlib import Path

from slee.api.errors import InvalidConfigurationError


def load_certificates(
    context: ssl.SSLContext, where: str, rule: str, *, certificate: Path, key: Path, authorities: Path | None = None
) -> None:
    """Have a TLS context show a certificate, and trust those that these authorities have signed.

    Args:
        context: what to load into.
        where: component and key that the files are configured for, for messages.
        rule: rule of the messages.
        certificate: PEM file of the certificate and its chain.
        key: PEM file of its private key, without passphrase.
        authorities: PEM file of authorities.

    Raises:
        InvalidConfigurationError: a file cannot be read, is no such file, or the key belongs to another certificate.
    """
    for path in (certificate, key) if authorities is None else (certificate, key, authorities):
        try:
            path.open("rb").close()
        except OSError as error:
            raise _refusal(where, f"{path}: {error.strerror}", rule, "put the file there, or name another") from error
    try:
        # Without a password the library asks for one on the terminal, and the server waits.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"{key} is not the key of {certificate}"
            raise _refusal(where, text, rule, "name the key that the certificate was made for") from error
        text = f"{certificate} and {key} hold no certificate and key that can be read"
        raise _refusal(where, text, rule, "write both as PEM, the key without a passphrase") from error
    if authorities is None:
        return
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        text = f"{authorities} holds no certificate of an authority"
        raise _refusal(where, text, rule, "write certificates as PEM") from error


def _refusal(where: str, text: str, rule: str, remedy: str) -> InvalidConfigurationError:
    return InvalidConfigurationError(f"{where}: {text} [{rule}]; {remedy}")


__all__ = ["load_certificates"]
