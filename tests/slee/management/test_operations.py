"""The table of operations: each declared once, complete, and documented (MGT-1)."""

from __future__ import annotations

import inspect

import pytest
from pydantic import TypeAdapter, ValidationError

from slee.api.errors import SleeError
from slee.api.ids import ServiceID
from slee.management.arguments import ChosenServices, Identity
from slee.management.failures import document, exit_status_of, failure_of
from slee.management.operations import OPERATIONS, Operation, Role


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_declares_what_its_python_form_takes(operation: Operation) -> None:
    taken = list(inspect.signature(operation.call).parameters.values())[1:]
    fields = operation.arguments.model_fields
    assert [parameter.name for parameter in taken] == list(fields)
    for parameter in taken:
        assert (parameter.default is parameter.empty) is fields[parameter.name].is_required()
    assert all(field.description for field in fields.values())
    assert operation.summary.endswith((".", ":")) or ":" in operation.summary
    assert "[" not in operation.summary
    TypeAdapter(operation.result)


def test_names_are_unique_and_roles_fit() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert all(operation.changes is (operation.role > Role.VIEWER) for operation in OPERATIONS)


def test_ids_are_read_from_their_text_form_and_printed_in_it() -> None:
    service = ServiceID("a,b", "v", "1")
    arguments = ChosenServices.model_validate({"services": [str(service), "plain name"]})
    assert arguments.services == (service, "plain name")
    assert arguments.model_dump(mode="json") == {"services": [str(service), "plain name"]}
    assert Identity.model_validate({"identity": str(service)}).identity == service
    with pytest.raises(ValidationError, match="CID-7"):
        ChosenServices.model_validate({"services": ["SbbID[name=a,vendor=b,version=c]"]})
    with pytest.raises(ValidationError):
        ChosenServices.model_validate({"services": [], "more": 1})


def test_every_error_has_a_code_of_its_own_and_statuses() -> None:
    waiting: list[type[SleeError]] = [SleeError]
    codes: dict[str, type[SleeError]] = {}
    while waiting:
        cls = waiting.pop()
        failure = failure_of(cls)
        if codes.get(failure.code) is cls:  # met by its other parent
            continue
        assert failure.code not in codes or cls.__module__.startswith("tests"), (cls, codes.get(failure.code))
        codes[failure.code] = cls
        assert 400 <= failure.http < 600
        assert 1 <= failure.exit < 9
        assert exit_status_of(failure.code) == failure.exit
        waiting.extend(sub for sub in cls.__subclasses__() if sub.__module__ == "slee.api.errors")
    assert exit_status_of("never heard of") == 1


def test_a_message_is_taken_apart_into_component_rule_and_remedy() -> None:
    told = document(SleeError("a b: it is: wrong [RA-14]; mend it\nnot of that form\nc: so too [DU-1]"))
    assert [(i.component, i.problem, i.rule, i.remedy) for i in told.issues] == [
        ("a b", "it is: wrong", "RA-14", "mend it"),
        ("c", "so too", "DU-1", ""),
    ]
