"""A network that loses, repeats, delays and so reorders datagrams, as a seed says."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.virtual import VirtualTime

Address = tuple[str, int]


@dataclass(frozen=True)
class Weather:
    """How bad the network is."""

    loss: float
    """Share of the datagrams that never arrive. Beyond a tenth, requests fail that were repeated for 32 s."""
    duplication: float
    delay: float
    """Seconds that a datagram takes at most; it takes at least a hundredth of that."""

    @classmethod
    def drawn(cls, lot: random.Random) -> Weather:
        return cls(
            lot.choice((0.0, 0.0, 0.02, 0.1)), lot.choice((0.0, 0.05, 0.2)), lot.choice((0.0005, 0.01, 0.2, 0.8))
        )


class SeededWire:
    """Joins parties by address; what is sent to nobody is lost, as it is to a server that is down."""

    def __init__(self, time: VirtualTime, lot: random.Random, weather: Weather) -> None:
        self._time = time
        self._lot = lot
        self.weather = weather
        self._parties: dict[Address, Callable[[bytes, Address], None]] = {}

    def attach(self, address: Address, receive: Callable[[bytes, Address], None]) -> None:
        self._parties[address] = receive

    def detach(self, address: Address) -> None:
        self._parties.pop(address, None)

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        lot, weather = self._lot, self.weather
        if lot.random() < weather.loss:
            return
        for _ in range(2 if lot.random() < weather.duplication else 1):
            self._time.after(weather.delay * lot.uniform(0.01, 1.0), self._arrive, data, source, destination)

    def _arrive(self, data: bytes, source: Address, destination: Address) -> None:
        receive = self._parties.get(destination)
        if receive is not None:
            receive(data, source)
