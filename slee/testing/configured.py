"""The configuration of an SBB in a test, judged as the manifest's is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel, ValidationError

from slee.api.declaration import Configuration
from slee.api.errors import VerificationError
from slee.management.document import Places, issues_of, with_field_names
from slee.model.descriptor import SbbDescriptor


def configured(sbb: SbbDescriptor, attribute: str, values: Mapping[str, object]) -> BaseModel:
    """The configuration that an SBB declares as `attribute`, of the values that a test gives (DU-23).

    Raises:
        VerificationError: a key is unknown or missing, or a value does not fit.
    """
    declaration = sbb.cls.sbb_declarations[attribute]
    assert isinstance(declaration, Configuration)
    model = cast("Configuration[BaseModel]", declaration).model
    try:
        return model.model_validate(with_field_names(model, values), extra="forbid")
    except ValidationError as error:
        raise VerificationError(issues_of(error, model, Places("", {}, ("config", sbb.id.name)), "DU-23")) from None
