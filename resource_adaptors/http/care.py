"""Alarms of listeners and their certificates (HTTP-41)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from resource_adaptors.http.message.certificate import expires
from slee.api.alarm import AlarmID, AlarmLevel

if TYPE_CHECKING:
    from pathlib import Path

    from resource_adaptors.http.config import ListenerSection
    from slee.spi import ResourceAdaptorContext, TimerTask

_DOWN: Final = "http.listener_down"
_EXPIRING: Final = "http.tls_certificate_expiring"
_LOOK_EVERY: Final = 3600.0


class Care:
    """Looks at certificates once an hour, and tells of listeners that cannot be opened."""

    def __init__(self, context: ResourceAdaptorContext, listeners: Sequence[ListenerSection]) -> None:
        self._context = context
        self._listeners = listeners
        self._expiring: dict[Path, AlarmID] = {}
        self._timer: TimerTask | None = None

    def listener_down(self, address: str, error: Exception) -> None:
        """An address cannot be listened on."""
        remedy = f"mend that, then deactivate and activate {self._context.entity_name}"
        text = f"{address} cannot be listened on: {error}; {remedy}"
        self._context.alarms.raise_alarm(_DOWN, address, level=AlarmLevel.CRITICAL, message=text)

    def listeners_up(self) -> None:
        """All of them listen."""
        self._context.alarms.clear_type(_DOWN)

    def look(self, now: float) -> None:
        """Look at the certificates, and again in an hour."""
        sections = [section.tls for section in self._listeners if section.tls is not None]
        for section in sections:
            ends = _end_of(section.certificate)
            if now < ends - section.warn_before:
                alarm = self._expiring.pop(section.certificate, None)
                if alarm is not None:
                    self._context.alarms.clear(alarm)
            elif section.certificate not in self._expiring:
                days = max(0, int((ends - now) // 86_400))
                remedy = f"put a new one in its place, then deactivate and activate {self._context.entity_name}"
                text = f"{section.certificate} expires in {days} days; {remedy}"
                self._expiring[section.certificate] = self._context.alarms.raise_alarm(
                    _EXPIRING, str(section.certificate), level=AlarmLevel.MAJOR, message=text
                )
        if sections:
            self._timer = self._context.timer.call_at(now + _LOOK_EVERY, self._look_again)

    def _look_again(self) -> None:
        self.look(self._context.now)

    def close(self) -> None:
        """Look no more; the alarms of certificates go with the listeners."""
        if self._timer is not None:
            self._timer.cancel()
        for alarm in self._expiring.values():
            self._context.alarms.clear(alarm)
        self._expiring.clear()


def _end_of(certificate: Path) -> float:
    """When the first certificate of a file expires."""
    text = certificate.read_text("ascii", "replace")
    start, end = text.find("-----BEGIN CERTIFICATE-----"), text.find("-----END CERTIFICATE-----")
    return expires(ssl.PEM_cert_to_DER_cert(text[start : end + len("-----END CERTIFICATE-----")]))
