"""Registrar: keep the contacts under which users can be reached (RFC 3261 10.3)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from profiles.location.location import LOCATION, Binding
from resource_adaptors.sip.api import SIP, ExpiryBounds, Refusal, Register, Request, SipUri, requested_bindings
from slee import (
    ActivityContext,
    Sbb,
    Select,
    UsageParameters,
    configuration,
    counter,
    initial_event,
    resource,
    usage_parameters,
    volatile,
)


class RegistrarConfiguration(BaseModel):
    """What an operator sets in `[config.Registrar]`; times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expires_min: int = Field(60, ge=1)
    """Shorter registrations are refused with 423."""
    expires_default: int = Field(3600, ge=1)
    """Granted where the client asks for no time."""
    expires_max: int = Field(7200, ge=1)
    """Longer registrations are shortened to this."""
    max_contacts: int = Field(10, ge=1)
    """Contacts of one address-of-record; more are refused with 403."""


class RegistrarUsage(UsageParameters):
    """What the registrar counts."""

    accepted = counter("REGISTER requests answered 200")
    rejected = counter("REGISTER requests refused")
    removed = counter("Bindings removed on request")


class Registrar(Sbb, vendor="slee", version="1.0"):
    """Applies each REGISTER whole or not at all, and answers with every binding and its remaining time."""

    sip = resource(SIP)
    location = volatile(LOCATION)
    config = configuration(RegistrarConfiguration)
    usage = usage_parameters(RegistrarUsage)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_register(self, event: Register, aci: ActivityContext) -> None:
        if not self.sip.is_waiting(aci):
            return  # a service of higher priority has decided
        request = event.request
        try:
            aor = self._address_of_record(request)
            bindings = self._apply(request, self.location.find(aor))
        except Refusal as refusal:
            self.usage.rejected.increment()
            self.sip.respond(aci, refusal.status, reason=refusal.reason, headers=refusal.headers)
            return
        self.location.put(aor, bindings)
        self.usage.accepted.increment()
        self.sip.respond(aci, 200, headers=[("Contact", self._contact(binding)) for binding in bindings])

    def _address_of_record(self, request: Request) -> str:
        """The user whose bindings are meant: the To URI, in a domain that we serve (step 1 and 5)."""
        uri = request.to.uri
        if not isinstance(uri, SipUri):
            raise Refusal(400, "To Is No SIP URI")
        if not uri.user or not self.sip.is_served(uri):
            raise Refusal(404, "Not Found")
        return uri.aor

    def _apply(self, request: Request, bindings: tuple[Binding, ...]) -> tuple[Binding, ...]:
        """The bindings as they are after the request (steps 6 and 7)."""
        config = self.config
        bounds = ExpiryBounds(config.expires_min, config.expires_default, config.expires_max)
        wanted = requested_bindings(request, bounds)
        kept = {binding.contact: binding for binding in bindings}
        names = list(kept) if wanted is None else [self._bound_as(ask.contact, kept) for ask in wanted]
        for name in names:
            self._check_order(request, kept.get(name))
        if wanted is None:
            self.usage.removed.increment(len(kept))
            return ()
        for name, ask in zip(names, wanted, strict=True):
            old = kept.pop(name, None)
            if ask.expires:
                kept[ask.contact] = Binding(
                    ask.contact,
                    self.now + ask.expires,
                    ask.q,
                    request.call_id,
                    request.cseq.number,
                    tuple(f"<{path.uri.text}>" for path in request.paths),
                )
            elif old is not None:
                self.usage.removed.increment()
        if len(kept) > max(config.max_contacts, len(bindings)):
            raise Refusal(403, "Too Many Contacts")
        return tuple(sorted(kept.values(), key=lambda binding: -binding.q))

    def _bound_as(self, contact: str, bindings: dict[str, Binding]) -> str:
        """The bound contact that means the same URI (RFC 3261 19.1.4), or the new contact itself."""
        if contact in bindings or not bindings:
            return contact
        uri = SipUri.parse(contact)
        return next((bound for bound in bindings if uri.equivalent(SipUri.parse(bound))), contact)

    def _check_order(self, request: Request, binding: Binding | None) -> None:
        """A request of the same Call-ID must have a higher CSeq than the one before (step 7)."""
        if binding and binding.call_id == request.call_id and request.cseq.number <= binding.cseq:
            raise Refusal(500, "CSeq Out Of Order")

    def _contact(self, binding: Binding) -> str:
        """A Contact value with the remaining time, rounded up to whole seconds."""
        remaining = max(1, -int(self.now - binding.expires_at))
        return f"<{binding.contact}>;q={binding.q:g};expires={remaining}"
