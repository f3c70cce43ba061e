"""Who makes a request: by bearer token, by signature of its body, or by the certificate of its connection (HTTP-34)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.headers import find
from resource_adaptors.http.message.request import Principal
from resource_adaptors.http.protocol.webhooks import signature

if TYPE_CHECKING:
    from resource_adaptors.http.access_config import AuthSection
    from resource_adaptors.http.exchange import Exchange

_LONGEST_ID: Final = 256
_MOST_IDS: Final = 100_000


class Authenticator:
    """Finds the principal of a request, and remembers the signatures that it has taken."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], float] = {}
        """When the id of a signed request ends to be remembered, by principal and id; the first taken first."""

    def by_head(self, exchange: Exchange, section: AuthSection) -> Principal | None:
        """The principal by token or certificate; `None` if the signature has to tell once the body is there.

        Raises:
            RemoteProtocolError: 401.
        """
        names = exchange.connection.certificate_names
        for name, expected in section.certificates.items():
            if expected in names:
                return _principal(name, section)
        scheme, _, token = (find(exchange.headers, b"authorization") or b"").partition(b" ")
        if section.signatures and find(exchange.headers, b"webhook-signature") is not None:
            return None
        if not section.bearer or scheme.lower() != b"bearer" or not token:
            raise _refused(section, "no_credentials")
        digest = hashlib.sha256(token.strip()).hexdigest()
        found = None
        for name, secret in section.bearer.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(secret.get_secret_value().lower(), digest):
                found = name
        if found is None:
            raise _refused(section, "credentials", ' error="invalid_token"')
        return _principal(found, section)

    def by_body(self, exchange: Exchange, section: AuthSection, body: bytes, now: float) -> Principal:
        """The principal whose key signed id, time and body.

        Raises:
            RemoteProtocolError: 401: nobody's did, the time is too far from ours, or the id was taken before.
        """
        identity = (find(exchange.headers, b"webhook-id") or b"").decode("latin-1")
        stamp = find(exchange.headers, b"webhook-timestamp") or b""
        given = (find(exchange.headers, b"webhook-signature") or b"").split()
        if not 0 < len(identity) <= _LONGEST_ID or not stamp.isdigit() or len(stamp) > 12:
            raise _refused(section, "signature")
        moment = int(stamp)
        if abs(moment - now) > section.tolerance:
            raise _refused(section, "signature_time")
        found = None
        for name, key in section.signatures.items():
            expected = signature([key.get_secret_value().encode()], identity, moment, body).encode()
            if any(hmac.compare_digest(expected, one) for one in given):
                found = name
        if found is None:
            raise _refused(section, "signature")
        self._forget(now)
        if (found, identity) in self._taken:
            raise _refused(section, "signature_repeated")
        self._taken[found, identity] = now + 2 * section.tolerance
        return _principal(found, section)

    def _forget(self, now: float) -> None:
        """Let go of ids whose time is over, and of the oldest where there are too many."""
        while self._taken:
            first = next(iter(self._taken))
            if self._taken[first] > now and len(self._taken) < _MOST_IDS:
                return
            del self._taken[first]


def _principal(name: str, section: AuthSection) -> Principal:
    return Principal(name, section.roles.get(name, frozenset()))


def _refused(section: AuthSection, code: str, more: str = "") -> RemoteProtocolError:
    ways = [f"Bearer{more}"] if section.bearer else []
    if section.signatures:
        ways.append("Webhook-Signature")
    if section.certificates:
        ways.append("Certificate")
    return RemoteProtocolError(401, code, headers=[("WWW-Authenticate", ", ".join(ways))])
