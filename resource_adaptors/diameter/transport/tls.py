"""TLS contexts of a Diameter node, from the files that operators name (DIA-9, DIA-17)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from slee.spi.certificates import load_certificates

if TYPE_CHECKING:
    from resource_adaptors.diameter.config import TlsConfiguration


def verify_certificates(tls: TlsConfiguration) -> None:
    """Read all files; `InvalidConfigurationError` if that fails."""
    load_certificates(
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        "diameter.tls",
        "DIA-54",
        certificate=tls.certificate,
        key=tls.key,
        authorities=tls.authorities,
    )


def tls_contexts(tls: TlsConfiguration) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of our listeners and of connections that we open; both sides show certificates (DIA-17).

    Raises:
        InvalidConfigurationError: a file cannot be read.
    """
    verify_certificates(tls)
    found: list[ssl.SSLContext] = []
    for purpose in (ssl.Purpose.CLIENT_AUTH, ssl.Purpose.SERVER_AUTH):
        # With authorities of its own a context trusts none of the system's.
        context = ssl.create_default_context(purpose, cafile=str(tls.authorities))
        context.load_cert_chain(str(tls.certificate), str(tls.key))
        context.verify_mode = ssl.CERT_REQUIRED
        found.append(context)
    return found[0], found[1]


__all__ = ["tls_contexts", "verify_certificates"]
