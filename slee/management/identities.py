"""Identities as arguments and results of operations: values in Python, the text form of CID-6 everywhere else (CID-8)."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from slee.api.ids import BundleID, ComponentID, ResourceAdaptorID, SbbID, ServiceID, parse_id

_I = TypeVar("_I", BundleID, ComponentID)


def _text_form(kind: type[BundleID] | type[ComponentID]) -> tuple[Any, ...]:
    def read(value: object) -> object:
        return parse_id(value, kind) if isinstance(value, str) else _instance(value)

    def _instance(value: object) -> object:
        if not isinstance(value, kind):
            raise ValueError(f"a {kind.__name__} is wanted; give its text form, as the lists print it")
        return value

    schema = WithJsonSchema({"type": "string", "examples": [f"{kind.__name__}[name=n,vendor=v,version=1.0]"]})
    return PlainValidator(read), PlainSerializer(str, return_type=str), schema


def _service(value: object) -> object:
    """A service id, or the name of a service that is installed in one version only."""
    return parse_id(value, ServiceID) if isinstance(value, str) and "[" in value else value


BundleRef = Annotated[BundleID, *_text_form(BundleID)]
ComponentRef = Annotated[ComponentID, *_text_form(ComponentID)]
SbbRef = Annotated[SbbID, *_text_form(SbbID)]
AdaptorRef = Annotated[ResourceAdaptorID, *_text_form(ResourceAdaptorID)]
ServiceRef = Annotated[ServiceID, *_text_form(ServiceID)]
ServiceChoice = Annotated[
    ServiceID | str,
    PlainValidator(_service),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "service id, or the name of a service installed once"}),
]
