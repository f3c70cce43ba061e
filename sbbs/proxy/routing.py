"""Where a request outside a dialog goes: the contacts of a served user, and as it is anywhere else (RFC 3261 16.5)."""

from __future__ import annotations

from typing import Protocol

from profiles.location.location import Binding
from resource_adaptors.sip import api


class Bindings(Protocol):
    """The location table, as far as it is read here."""

    def find(self, key: str, /) -> tuple[Binding, ...]:
        """The bindings of an address-of-record."""
        ...


def targets_of(request: api.Request, sip: api.Sip, location: Bindings) -> tuple[api.Target, ...] | int:
    """The targets of a request, or the status to refuse it with.

    416 for a URI that is no SIP URI, 484 for a served domain without a user, 404 for a user without a binding.
    """
    uri = request.uri
    if not isinstance(uri, api.SipUri):
        return 416
    if not sip.is_served(uri):
        return (api.Target(request.uri_text),)
    if not uri.user:
        return 484
    targets = tuple(api.Target(binding.contact, binding.path) for binding in location.find(uri.aor))
    return targets or 404
