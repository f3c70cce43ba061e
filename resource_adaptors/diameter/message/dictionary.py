"""What AVPs and commands are called and hold: data, not code (DIA-4).

The definitions of AVPs come from python-diameter; grammars of commands, and corrections, from `dictionary.toml` beside
this file. Configuration and services can add files of the same form.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.errors import LocalProtocolError

Kind = Literal[
    "OctetString",
    "Integer32",
    "Integer64",
    "Unsigned32",
    "Unsigned64",
    "Float32",
    "Float64",
    "Grouped",
    "Address",
    "Time",
    "UTF8String",
    "DiameterIdentity",
    "DiameterURI",
    "Enumerated",
    "IPFilterRule",
]
OWN: Final = Path(__file__).with_name("dictionary.toml")

CHECKS: Final[Mapping[str, Callable[[Avp], object]]] = {
    "Integer32": Avp.integer32,
    "Integer64": Avp.integer64,
    "Unsigned32": Avp.unsigned32,
    "Unsigned64": Avp.unsigned64,
    "Float32": Avp.floating,
    "Float64": Avp.floating,
    "Address": Avp.address,
    "Time": Avp.time,
    "UTF8String": Avp.text,
    "DiameterIdentity": Avp.text,
    "DiameterURI": Avp.text,
    "Enumerated": Avp.integer32,
}
"""Reads the value of a type, and so tells whether there is one; the other types take any octets."""


class AvpDefinition(msgspec.Struct, frozen=True):
    """What is known of one AVP."""

    name: str
    code: int
    vendor: int
    kind: str
    is_mandatory: bool
    """Whether M is set where it is sent."""
    values: frozenset[int] | None = None
    """The numbers of an Enumerated, where others are refused."""

    @property
    def check(self) -> Callable[[Avp], object] | None:
        """Raises if data are no value of its type."""
        return CHECKS.get(self.kind)

    def example(self) -> Avp:
        """The AVP with a value of zeros, as Failed-AVP names what is missing (DIA-6)."""
        size = {"Integer64": 8, "Unsigned64": 8, "Float64": 8, "Address": 6, "OctetString": 0}.get(self.kind, 4)
        data = b"\0\1\0\0\0\0" if self.kind == "Address" else bytes(size)
        if self.kind in ("Grouped", "UTF8String", "DiameterIdentity", "DiameterURI", "IPFilterRule"):
            data = b""
        return Avp(self.code, data, self.vendor, 0x40 if self.is_mandatory else 0)


class Grammar(msgspec.Struct, frozen=True):
    """Which AVPs a request or answer has: RFC 6733 3.2 without the order, of which only Session-Id is held."""

    name: str
    required: tuple[AvpDefinition, ...]
    single: frozenset[int]
    """Keys of AVPs that may occur once."""
    forbidden: frozenset[int]
    contradictions: tuple[tuple[int, int], ...] = ()
    """Pairs of AVPs that exclude each other."""


class _AvpEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    code: int = Field(ge=0, le=0xFFFF_FFFF)
    vendor: int = Field(default=0, ge=0, le=0xFFFF_FFFF)
    type: Kind
    mandatory: bool = True
    values: frozenset[int] | None = None
    replaces: bool = False
    """Whether it corrects a definition that is there."""


class _CommandEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    code: int = Field(ge=0, le=0xFF_FFFF)
    request: bool
    required: tuple[str, ...] = ()
    single: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()
    """Of those required: may occur several times."""
    forbidden: tuple[str, ...] = ()
    contradictions: tuple[tuple[str, str], ...] = ()


class DictionaryFile(BaseModel):
    """A file of definitions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    avp: tuple[_AvpEntry, ...] = ()
    command: tuple[_CommandEntry, ...] = ()


class Dictionary:
    """All definitions, by name and by number."""

    __slots__ = ("_by_key", "_by_name", "_grammars")

    def __init__(self, definitions: Iterable[AvpDefinition]) -> None:
        self._by_key: dict[int, AvpDefinition] = {}
        self._by_name: dict[str, AvpDefinition] = {}
        self._grammars: dict[tuple[int, bool], Grammar] = {}
        for definition in definitions:
            self._by_key[key_of(definition.code, definition.vendor)] = definition
            self._by_name.setdefault(definition.name, definition)

    def find(self, code: int, vendor: int = 0) -> AvpDefinition | None:
        """The definition of an AVP, `None` if it is unknown."""
        return self._by_key.get(vendor << 32 | code)

    def named(self, name: str) -> AvpDefinition:
        """The definition of a name; `LocalProtocolError` if there is none."""
        found = self._by_name.get(name)
        if found is None:
            raise LocalProtocolError(f"AVP {name!r} is unknown [DIA-4]; add it with a dictionary file")
        return found

    def grammar(self, command: int, *, request: bool) -> Grammar | None:
        """What a message of a command has, `None` if the command is unknown."""
        return self._grammars.get((command, request))

    def extended(self, *paths: Path) -> Dictionary:
        """A dictionary with the definitions of files added.

        Raises:
            LocalProtocolError: a file is unreadable or malformed, or clashes with what is there.
        """
        added = Dictionary(self._by_key.values())
        added._grammars.update(self._grammars)
        for path in paths:
            added._add(path)
        return added

    def _add(self, path: Path) -> None:
        try:
            file = DictionaryFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            raise LocalProtocolError(f"dictionary {path.name}: {error} [DIA-4]; mend the file") from error
        for entry in file.avp:
            self._add_avp(entry, path.name)
        for command in file.command:
            where = (command.code, command.request)
            if where in self._grammars:
                raise LocalProtocolError(f"dictionary {path.name}: command {command.name} is there already [DIA-4]")
            self._grammars[where] = Grammar(
                command.name,
                tuple(self.named(name) for name in command.required),
                frozenset(self._key(name) for name in {*command.required, *command.single} - {*command.repeats}),
                frozenset(self._key(name) for name in command.forbidden),
                tuple((self._key(one), self._key(other)) for one, other in command.contradictions),
            )

    def _add_avp(self, entry: _AvpEntry, file: str) -> None:
        definition = AvpDefinition(entry.name, entry.code, entry.vendor, entry.type, entry.mandatory, entry.values)
        key = key_of(entry.code, entry.vendor)
        before = self._by_key.get(key) or self._by_name.get(entry.name)
        if before is not None and before != definition and not entry.replaces:
            raise LocalProtocolError(f"dictionary {file}: {entry.name} clashes with {before.name} [DIA-4]; rename it")
        if before is not None and self._by_name.get(before.name) is before:
            del self._by_name[before.name]
        self._by_key[key] = definition
        self._by_name[entry.name] = definition

    def _key(self, name: str) -> int:
        definition = self.named(name)
        return key_of(definition.code, definition.vendor)


def key_of(code: int, vendor: int) -> int:
    """One number for code and vendor."""
    return vendor << 32 | code


@lru_cache(maxsize=1)
def base_dictionary() -> Dictionary:
    """The dictionary that the product brings; costs a quarter of a second the first time."""
    # Imported here for its price: who has no peers, pays none.
    from diameter.message.avp import dictionary as known  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]

    definitions: list[AvpDefinition] = []
    for vendor, table in ((0, known.AVP_DICTIONARY), *known.AVP_VENDOR_DICTIONARY.items()):
        for code, info in table.items():
            kind = info["type"].__name__.removeprefix("Avp").replace("Utf8String", "UTF8String")
            definitions.append(AvpDefinition(info["name"], code, vendor, kind, info.get("mandatory", False)))
    return Dictionary(definitions).extended(OWN)
