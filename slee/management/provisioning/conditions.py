"""Conditions as operators write them: `age>=18`, `number^=49`, `prefix~=4930123`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from slee.api.errors import AttributeTypeMismatchError, InvalidArgumentError, UnrecognizedAttributeError
from slee.api.query import And, Comparison, Condition, Operator
from slee.management.provisioning.fields import FieldError, Fields

_CONDITION: Final = re.compile(r"\s*(\w+)\s*(!=|<=|>=|\^=|~=|=|<|>)(.*)", re.DOTALL)
_OPERATORS: Final = {
    "=": Operator.EQUAL,
    "!=": Operator.DIFFERENT,
    "<": Operator.LESS,
    "<=": Operator.AT_MOST,
    ">": Operator.GREATER,
    ">=": Operator.AT_LEAST,
    "^=": Operator.HAS_PREFIX,
    "~=": Operator.LONGEST_PREFIX,
}


def condition(texts: Iterable[str], fields: Fields) -> Condition | None:
    """What holds where every text holds; `None` without any. Nothing after the operator asks for no value.

    Raises:
        InvalidArgumentError: a text is no condition.
        UnrecognizedAttributeError: there is no such attribute, or it is secret.
        AttributeTypeMismatchError: the value is of another type.
    """
    parts = tuple(_comparison(text, fields) for text in texts)
    return And(parts) if len(parts) > 1 else (parts[0] if parts else None)


def _comparison(text: str, fields: Fields) -> Comparison:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InvalidArgumentError(f"{text!r} is no condition [PRF-32]; write ATTRIBUTE=VALUE, or another operator")
    name, operator, value = found[1], _OPERATORS[found[2]], found[3].strip()
    field = fields.by_name.get(name)
    if field is None or field.is_secret:
        known = ", ".join(field.name for field in fields.open)
        raise UnrecognizedAttributeError(f"there is no attribute {name} to search by [PRF-32]; there are {known}")
    try:
        return Comparison(name, operator, (None if not value else field.read_text(value),))
    except FieldError as error:
        raise AttributeTypeMismatchError(f"{name}: {error.problem} [PRF-32]; {error.remedy}") from error


__all__ = ["condition"]
