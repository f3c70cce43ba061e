"""Registrar: keep the contacts under which users can be reached (RFC 3261 10.3)."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from profiles.location.location import LOCATION, Binding
from resource_adaptors.sip.api import (
    SIP,
    ExpiryBounds,
    Refusal,
    Register,
    Request,
    RequestedBinding,
    SipUri,
    requested_bindings,
)
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

_RETRANSMITTED_FOR: Final = 32.0
"""Seconds in which a client repeats a request without an answer (RFC 3261 17.1.2.2, timer F)."""


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

    @model_validator(mode="after")
    def _in_order(self) -> RegistrarConfiguration:
        if not self.expires_min <= self.expires_default <= self.expires_max:
            raise ValueError("expires_min <= expires_default <= expires_max must hold")
        return self


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
        if wanted and all(self._is_repetition(request, ask, kept.get(ask.contact)) for ask in wanted):
            return bindings
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

    def _is_repetition(self, request: Request, ask: RequestedBinding, binding: Binding | None) -> bool:
        """Whether just this request has made the binding, and comes again because its answer was lost with a process.

        The transaction absorbs retransmissions while it lives; the bindings outlive it.
        """
        return (
            binding is not None
            and (binding.call_id, binding.cseq, binding.q) == (request.call_id, request.cseq.number, ask.q)
            and 0 <= self.now + ask.expires - binding.expires_at <= _RETRANSMITTED_FOR
        )

    def _check_order(self, request: Request, binding: Binding | None) -> None:
        """A request of the same Call-ID must have a higher CSeq than the one before (step 7)."""
        if binding and binding.call_id == request.call_id and request.cseq.number <= binding.cseq:
            raise Refusal(500, "CSeq Out Of Order")

    def _contact(self, binding: Binding) -> str:
        """A Contact value with the remaining time, rounded up to whole seconds."""
        remaining = max(1, -int(self.now - binding.expires_at))
        return f"<{binding.contact}>;q={binding.q:g};expires={remaining}"
