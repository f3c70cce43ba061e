"""What is wrong with a message that could be read: unknown AVPs, values, grammar (DIA-3, DIA-5, DIA-6)."""

from __future__ import annotations

from typing import Final

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import DEEPEST, MOST, Avp, M
from resource_adaptors.diameter.message.dictionary import AvpDefinition, Dictionary, Grammar
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message

_OPAQUE: Final = frozenset({codes.FAILED_AVP, codes.PROXY_INFO})
"""Grouped AVPs whose members are not judged: the one quotes what was wrong, the other is its owner's."""


def check_request(message: Message, dictionary: Dictionary) -> None:
    """Judge a request for us.

    Raises:
        RemoteProtocolError: with the Result-Code and the Failed-AVP of the answer that it deserves.
    """
    _check_avps(message.avps, dictionary, 1, [MOST])
    grammar = dictionary.grammar(message.command, request=True)
    if grammar is not None:
        _check_grammar(message, grammar)


def check_answer(message: Message, dictionary: Dictionary) -> None:
    """Judge an answer to us; what is wrong is treated as if it had come with that Result-Code (DIA-5)."""
    _check_avps(message.avps, dictionary, 1, [MOST])
    grammar = dictionary.grammar(message.command, request=False)
    if grammar is not None and not message.is_error and message.find(codes.EXPERIMENTAL_RESULT) is None:
        _check_grammar(message, grammar)


def _check_avps(avps: tuple[Avp, ...], dictionary: Dictionary, depth: int, left: list[int]) -> None:
    """Judge the AVPs of one level; `left` counts down those that a message may still have."""
    find = dictionary.find
    left[0] -= len(avps)
    if left[0] < 0:
        raise RemoteProtocolError(codes.INVALID_AVP_VALUE, f"the message has over {MOST} AVPs")
    for avp in avps:
        definition = find(avp.code, avp.vendor)
        if definition is None:
            if avp.flags & M:
                reason = f"AVP {avp.code} of vendor {avp.vendor} is mandatory and not known here"
                raise RemoteProtocolError(codes.AVP_UNSUPPORTED, reason, failed=avp.encode())
        elif definition.kind == "Grouped":
            if avp.code not in _OPAQUE:
                _check_group(avp, dictionary, depth, left)
        else:
            _check_value(avp, definition)


def _check_group(avp: Avp, dictionary: Dictionary, depth: int, left: list[int]) -> None:
    if depth >= DEEPEST:
        raise RemoteProtocolError(codes.INVALID_AVP_VALUE, f"AVPs are nested over {DEEPEST} deep", failed=avp.encode())
    members = avp.group()
    try:
        _check_avps(members, dictionary, depth + 1, left)
    except RemoteProtocolError as error:
        within = avp.within(error.failed) if error.failed else b""
        raise RemoteProtocolError(error.result, error.reason, failed=within) from None


def _check_value(avp: Avp, definition: AvpDefinition) -> None:
    check = definition.check
    if check is None:
        return
    value = check(avp)
    if definition.values is not None and value not in definition.values:
        raise avp.wrong_value(f"{definition.name} has no value {value}")


def _check_grammar(message: Message, grammar: Grammar) -> None:
    seen: set[int] = set()
    for avp in message.avps:
        key = avp.vendor << 32 | avp.code
        if key in grammar.forbidden:
            reason = f"AVP {avp.code} is not allowed in {grammar.name}"
            raise RemoteProtocolError(codes.AVP_NOT_ALLOWED, reason, failed=avp.encode())
        if key in seen and key in grammar.single:
            reason = f"AVP {avp.code} occurs more than once in {grammar.name}"
            raise RemoteProtocolError(codes.AVP_OCCURS_TOO_MANY_TIMES, reason, failed=avp.encode())
        seen.add(key)
    for one, other in grammar.contradictions:
        if one in seen and other in seen:
            both = b"".join(avp.encode() for avp in message.avps if avp.vendor << 32 | avp.code in (one, other))
            reason = f"AVPs {one & 0xFFFF_FFFF} and {other & 0xFFFF_FFFF} exclude each other in {grammar.name}"
            raise RemoteProtocolError(codes.CONTRADICTING_AVPS, reason, failed=both)
    for definition in grammar.required:
        if definition.vendor << 32 | definition.code not in seen:
            reason = f"{grammar.name} has no {definition.name}"
            raise RemoteProtocolError(codes.MISSING_AVP, reason, failed=definition.example().encode())
