"""Identities in operations: values in Python, the text form of CID-6 everywhere else (CID-8)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from slee.api.alarm import AlarmID
from slee.api.facilities import TraceLevel
from slee.api.ids import BundleID, ComponentID, ProfileSpecificationID, ResourceAdaptorID, SbbID, ServiceID, parse_id
from slee.api.source import NotificationSource, parse_source


def _named(kind: type[BundleID | ComponentID], what: str) -> tuple[Any, ...]:
    def read(value: object) -> object:
        return parse_id(value, kind) if isinstance(value, str) and "[" in value else value

    schema = WithJsonSchema({"type": "string", "description": f"id of {what}, or its name if that is its alone"})
    return PlainValidator(read), PlainSerializer(str, return_type=str), schema


def _any(value: object) -> object:
    if isinstance(value, BundleID | ComponentID):
        return value
    text = str(value)
    return parse_id(text, BundleID if text.startswith(f"{BundleID.__name__}[") else ComponentID)


def _text_form(kind: type[BundleID | ComponentID]) -> tuple[Any, ...]:
    def read(value: object) -> object:
        if isinstance(value, kind):
            return value
        # pydantic reports a ValueError with the place of the value; a TypeError would pass through.
        return parse_id(str(value), kind)

    schema = WithJsonSchema({"type": "string", "examples": [f"{kind.__name__}[name=n,vendor=v,version=1.0]"]})
    return PlainValidator(read), PlainSerializer(str, return_type=str), schema


def _service(value: object) -> object:
    """A service id, or the name of a service that is installed in one version only."""
    return parse_id(value, ServiceID) if isinstance(value, str) and "[" in value else value


BundleRef = Annotated[BundleID, *_text_form(BundleID)]
ComponentRef = Annotated[ComponentID, *_text_form(ComponentID)]
SbbRef = Annotated[SbbID, *_text_form(SbbID)]
AdaptorRef = Annotated[ResourceAdaptorID, *_text_form(ResourceAdaptorID)]
SpecificationRef = Annotated[ProfileSpecificationID, *_text_form(ProfileSpecificationID)]
SpecificationChoice = Annotated[
    ProfileSpecificationID | str, *_named(ProfileSpecificationID, "a profile specification")
]
BundleChoice = Annotated[BundleID | str, *_named(BundleID, "a bundle")]
ComponentChoice = Annotated[ComponentID | str, *_named(ComponentID, "a component")]
AdaptorChoice = Annotated[ResourceAdaptorID | str, *_named(ResourceAdaptorID, "an adaptor")]
IdentityRef = Annotated[
    BundleID | ComponentID,
    PlainValidator(_any),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "id of a bundle or component"}),
]
ServiceRef = Annotated[ServiceID, *_text_form(ServiceID)]


def _source(value: object) -> object:
    """A notification source, or the short name of one."""
    kinds = ("sbb:", "raentity:", "profiletable:", "subsystem:")
    return parse_source(value) if isinstance(value, str) and value.startswith(kinds) else value


def _alarm(value: object) -> object:
    return value if isinstance(value, AlarmID) else AlarmID(str(value))


SourceRef = Annotated[
    NotificationSource,
    PlainValidator(_source),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["raentity:sip"]}),
]
SourceChoice = Annotated[
    NotificationSource | str,
    PlainValidator(_source),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "notification source, or its short name: service/SBB, entity"}),
]
AlarmRef = Annotated[
    AlarmID, PlainValidator(_alarm), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})
]
LevelRef = Annotated[
    TraceLevel,
    PlainValidator(lambda value: value if isinstance(value, TraceLevel) else TraceLevel.parse(str(value).upper())),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "enum": list(TraceLevel.__members__)}),
]
ServiceChoice = Annotated[
    ServiceID | str,
    PlainValidator(_service),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "service id, or the name of a service installed once"}),
]
