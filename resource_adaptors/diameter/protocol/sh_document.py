"""Sh-Data: the document in which a home subscriber server keeps and gives user data (DIA-42; TS 29.328 annexes C, D).

It is read without entities, document types or external references, up to 256 KiB and 32 levels.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.errors import LocalProtocolError, RemoteProtocolError

LARGEST: Final = 256 * 1024
DEEPEST: Final = 32
LAST_SEQUENCE: Final = 65_535

_ROOT: Final = "Sh-Data"
_TEXTS: Final = {
    "PublicIdentifiers/IMSPublicIdentity": "public_identities",
    "PublicIdentifiers/MSISDN": "msisdns",
    "Sh-IMS-Data/S-CSCFName": "scscf",
    "Sh-IMS-Data/IMSUserState": "ims_user_state",
    "CSUserState": "cs_user_state",
    "PSUserState": "ps_user_state",
    "RepositoryData/ServiceIndication": "service",
    "RepositoryData/SequenceNumber": "sequence",
}
"""Elements that hold text, by path below the root."""
_RAW: Final = {
    "Sh-IMS-Data/IFCs/InitialFilterCriteria": "filter_criteria",
    "CSLocationInformation": "cs_location",
    "PSLocationInformation": "ps_location",
    "RepositoryData/ServiceData": "data",
}
"""Elements whose content is handed on as it is written."""
_SEVERAL: Final = frozenset({"public_identities", "msisdns", "filter_criteria"})
"""What may be there more than once."""
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no document can hold, not even as references (XML 1.0 2.2)."""


class RepositoryData(msgspec.Struct, frozen=True):
    """What a service keeps of a user: transparent to the server, and numbered so that no update is lost."""

    service: str
    """Service-Indication: which service's data."""
    sequence: int = 0
    """0 for data that are new; each update has the next number (`next_sequence`)."""
    data: str | None = None
    """The content of ServiceData, as XML; `None` where there is none, which in an update deletes the data."""

    @classmethod
    def holding(cls, service: str, text: str, sequence: int = 0) -> RepositoryData:
        """Data that are a text; `text` gives it back.

        Raises:
            LocalProtocolError: a character is in it that XML forbids, such as U+FFFE or most below U+0020.
        """
        _check_characters(text)
        return cls(service, sequence, _escaped(text))

    @property
    def text(self) -> str:
        """The characters of the data, without elements; `LocalProtocolError` if the data are no XML."""
        if not self.data:
            return ""
        _check_characters(self.data)
        found: list[str] = []
        parser = _parser()
        parser.CharacterDataHandler = found.append
        try:
            _parse(parser, f"<d>{self.data}</d>".encode())
        except RemoteProtocolError as error:
            raise _unfit(error.reason) from error
        return "".join(found)


class UserData(msgspec.Struct, frozen=True, kw_only=True):
    """What an Sh-Data document says; what is empty or `None` is not spoken of."""

    public_identities: tuple[str, ...] = ()
    msisdns: tuple[str, ...] = ()
    repository: tuple[RepositoryData, ...] = ()
    scscf: str = ""
    filter_criteria: tuple[str, ...] = ()
    """The content of each InitialFilterCriteria, as XML."""
    ims_user_state: int | None = None
    """0 not registered, 1 registered, 2 registered for services only, 3 being authenticated."""
    cs_location: str = ""
    """The content of CSLocationInformation, as XML."""
    ps_location: str = ""
    cs_user_state: int | None = None
    """0 idle or busy in the circuit domain, and so on (TS 29.328 table C.1)."""
    ps_user_state: int | None = None

    def document(self) -> bytes:
        """The document.

        Raises:
            LocalProtocolError: a part that is given as XML is none, a character is in it that XML forbids, a part would
                not be read as it is given, or the whole is too large.
        """
        parts = [
            *_wrapped("PublicIdentifiers", self._identifiers()),
            *(_repository(kept) for kept in self.repository),
            *_wrapped("Sh-IMS-Data", self._ims()),
            *_raw("CSLocationInformation", self.cs_location),
            *_raw("PSLocationInformation", self.ps_location),
            *_number("CSUserState", self.cs_user_state),
            *_number("PSUserState", self.ps_user_state),
        ]
        text = f'<?xml version="1.0" encoding="UTF-8"?><{_ROOT}>{"".join(parts)}</{_ROOT}>'
        _check_characters(text)
        found = text.encode()
        try:
            again = read_document(found)
        except RemoteProtocolError as error:
            raise _unfit(error.reason) from error
        if again != self:
            raise LocalProtocolError(
                "user data: a part would not be read as it is given [DIA-42]; let no XML break out of its element, "
                "and no identity or name begin or end with a space"
            )
        return found

    def _identifiers(self) -> list[str]:
        return [
            *(_element("IMSPublicIdentity", identity) for identity in self.public_identities),
            *(_element("MSISDN", number) for number in self.msisdns),
        ]

    def _ims(self) -> list[str]:
        criteria = [f"<InitialFilterCriteria>{one}</InitialFilterCriteria>" for one in self.filter_criteria]
        return [
            *([_element("S-CSCFName", self.scscf)] if self.scscf else []),
            *_wrapped("IFCs", criteria),
            *_number("IMSUserState", self.ims_user_state),
        ]

    def of_service(self, service: str) -> RepositoryData | None:
        """The repository data of a Service-Indication, `None` if the document has none."""
        return next((kept for kept in self.repository if kept.service == service), None)


def next_sequence(stored: int | None) -> int:
    """The number that the next update must have: 0 where nothing is stored, else one more, 1 after 65 535 (DIA-42)."""
    if stored is None:
        return 0
    return 1 if stored >= LAST_SEQUENCE else stored + 1


def read_document(data: bytes) -> UserData:
    """What a document says.

    Raises:
        RemoteProtocolError: it is none; the answer is Experimental-Result 5100.
    """
    if len(data) > LARGEST:
        raise _unreadable(f"the document has over {LARGEST} octets")
    _check_encoding(data)
    return _Reading(data).result()


def _unreadable(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(codes.USER_DATA_NOT_RECOGNIZED, f"user data: {why}", vendor=codes.TGPP)


def _unfit(reason: str) -> LocalProtocolError:
    return LocalProtocolError(f"{reason} [DIA-42]; mend what is given as XML, or make it smaller")


def _check_characters(text: str) -> None:
    found = _FORBIDDEN.search(text)
    if found is not None:
        number = ord(found[0])
        raise LocalProtocolError(f"user data: XML cannot hold the character U+{number:04X} [DIA-42]; leave it out")


def _parser() -> expat.XMLParserType:
    """A parser that takes no document type, and so no entities but the five of XML."""
    parser = expat.ParserCreate("utf-8")

    def refuse(*_: object) -> None:
        raise _unreadable("a document type is not taken")

    parser.StartDoctypeDeclHandler = refuse
    return parser


def _check_encoding(data: bytes) -> None:
    """TS 29.328 annex D: UTF-8. The parser would take UTF-16 by itself, whose parts could not be handed on."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _unreadable("it is no UTF-8") from error
    if "\0" in text:
        raise _unreadable("it is no UTF-8, or holds U+0000")


def _parse(parser: expat.XMLParserType, data: bytes) -> None:
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _unreadable(f"it is no XML: {error}") from error


class _Reading:
    """One reading of a document."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._path: list[str] = []
        self._text: list[str] = []
        self._begins: int | None = None
        """Where the content begins of the element that is handed on as it is written; -1 until it is known."""
        self._raw_depth = 0
        self._found: dict[str, list[str]] = {}
        self._repository: list[RepositoryData] = []
        parser = self._parser = _parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.CommentHandler = self._other
        parser.ProcessingInstructionHandler = self._other
        parser.StartCdataSectionHandler = self._other

    def result(self) -> UserData:
        """What it says."""
        _parse(self._parser, self._data)
        found = self._found
        return UserData(
            public_identities=tuple(found.get("public_identities", ())),
            msisdns=tuple(found.get("msisdns", ())),
            repository=tuple(self._repository),
            scscf="".join(found.get("scscf", ())),
            filter_criteria=tuple(found.get("filter_criteria", ())),
            ims_user_state=self._number("ims_user_state"),
            cs_location="".join(found.get("cs_location", ())),
            ps_location="".join(found.get("ps_location", ())),
            cs_user_state=self._number("cs_user_state"),
            ps_user_state=self._number("ps_user_state"),
        )

    def _number(self, name: str) -> int | None:
        said = self._found.get(name)
        if said is None:
            return None
        if not (said[-1].isascii() and said[-1].isdigit() and len(said[-1]) <= 5):
            raise _unreadable(f"{name} is no number")
        return int(said[-1])

    def _mark(self) -> None:
        if self._begins == -1:
            self._begins = self._parser.CurrentByteIndex

    def _other(self, *_: object) -> None:
        self._mark()

    def _start(self, name: str, _: object) -> None:
        self._mark()
        if len(self._path) >= DEEPEST:
            raise _unreadable(f"it is nested over {DEEPEST} deep")
        if not self._path and name != _ROOT:
            raise _unreadable(f"its root is {name}, not {_ROOT}")
        if self._begins is None and "/".join(self._path[1:]) in _TEXTS:
            raise _unreadable(f"{name} stands in {self._path[-1]}, which holds text alone")
        self._path.append(name)
        self._text.clear()
        if self._begins is None and "/".join(self._path[1:]) in _RAW:
            self._begins, self._raw_depth = -1, len(self._path)

    def _characters(self, text: str) -> None:
        self._mark()
        self._text.append(text)

    def _end(self, name: str) -> None:
        depth, path = len(self._path), "/".join(self._path[1:])
        if self._begins is not None and depth == self._raw_depth:
            stop = self._parser.CurrentByteIndex
            begins = stop if self._begins == -1 else self._begins
            self._note(_RAW[path], self._data[begins:stop].decode())
            self._begins = None
        elif self._begins is None and path in _TEXTS:
            self._note(_TEXTS[path], "".join(self._text).strip())
        elif self._begins is None and path == "RepositoryData":
            self._end_repository()
        self._path.pop()
        self._text.clear()

    def _note(self, name: str, text: str) -> None:
        if name in self._found and name not in _SEVERAL:
            raise _unreadable(f"{name} is there twice")
        self._found.setdefault(name, []).append(text)

    def _end_repository(self) -> None:
        sequence = self._number("sequence")
        service = self._found.pop("service", None)
        if service is None or sequence is None or sequence > LAST_SEQUENCE:
            raise _unreadable("RepositoryData without ServiceIndication, or with a SequenceNumber that is none")
        del self._found["sequence"]
        data = self._found.pop("data", None)
        self._repository.append(RepositoryData(service[0], sequence, None if data is None else data[0]))


def _escaped(text: str) -> str:
    """Text as content; a carriage return as reference, since it would be read as a line feed (XML 1.0 2.11)."""
    return escape(text, {"\r": "&#13;"})


def _element(name: str, text: str) -> str:
    return f"<{name}>{_escaped(text)}</{name}>"


def _wrapped(name: str, members: list[str]) -> list[str]:
    return [f"<{name}>{''.join(members)}</{name}>"] if members else []


def _raw(name: str, content: str) -> list[str]:
    return [f"<{name}>{content}</{name}>"] if content else []


def _number(name: str, value: int | None) -> list[str]:
    return [] if value is None else [f"<{name}>{value}</{name}>"]


def _repository(kept: RepositoryData) -> str:
    data = "" if kept.data is None else f"<ServiceData>{kept.data}</ServiceData>"
    number = f"<SequenceNumber>{kept.sequence}</SequenceNumber>"
    return f"<RepositoryData>{_element('ServiceIndication', kept.service)}{number}{data}</RepositoryData>"
