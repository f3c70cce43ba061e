"""What a failure is called on every surface: a stable code, an HTTP status, an exit status (MGT-2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from slee.api import errors
from slee.api.errors import (
    ComponentDefinitionError,
    Issue,
    ProfileVerificationError,
    SleeError,
    VerificationError,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """The stable names of one class of errors."""

    code: str
    http: int
    exit: int


@dataclass(frozen=True, slots=True)
class FailureDocument:
    """A failure as HTTP bodies and `--json` show it."""

    code: str
    message: str
    issues: tuple[Issue, ...]


EXIT_UNEXPECTED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 9
EXIT_JOURNAL: Final = 10
"""The server ended because its journal was lost, or could not be written for too long (DUR-14)."""

_STATUS: Final[dict[type[Exception], tuple[int, int]]] = {
    errors.InvalidArgumentError: (400, EXIT_USAGE),
    errors.InvalidConfigurationError: (400, EXIT_USAGE),
    errors.StateDirectoryError: (507, EXIT_USAGE),
    errors.JournalError: (507, EXIT_USAGE),
    errors.InvalidStateError: (409, 3),
    errors.InvalidLinkNameBindingError: (409, 3),
    errors.UnrecognizedError: (404, 4),
    errors.UnrecognizedUsageParameterSetNameError: (404, 4),
    errors.UnrecognizedActivityHandleError: (404, 4),
    errors.NoSuchObjectError: (404, 4),
    errors.ComponentDefinitionError: (422, 5),
    errors.VerificationError: (422, 5),
    errors.DeploymentError: (422, 5),
    errors.DependencyError: (409, 6),
    errors.AlreadyInstalledError: (409, 7),
    errors.LinkNameAlreadyBoundError: (409, 7),
    errors.ResourceAdaptorEntityAlreadyExistsError: (409, 7),
    errors.ScheduleAlreadyExistsError: (409, 7),
    errors.UsageParameterSetNameAlreadyExistsError: (409, 7),
    errors.CreateError: (422, 5),
    errors.TransactionRolledBackError: (409, 3),
    errors.ProfileTableAlreadyExistsError: (409, 7),
    errors.ProfileAlreadyExistsError: (409, 7),
    errors.ProfileVerificationError: (422, 5),
    errors.UniqueAttributeViolationError: (422, 5),
    errors.AttributeTypeMismatchError: (400, EXIT_USAGE),
    errors.ProfileDatabaseError: (507, EXIT_USAGE),
    errors.ProfileError: (409, 3),
    errors.UpgradeError: (409, 3),
    errors.SleeError: (500, EXIT_UNEXPECTED),
}
"""HTTP and exit status by class; a class that is not named goes by its nearest parent."""

_ISSUE: Final = re.compile(r"(?P<component>.+?): (?P<problem>.+) \[(?P<rule>[A-Z]+-\d+)\](?:; (?P<remedy>.+))?")


def failure_of(error: SleeError | type[SleeError]) -> Failure:
    """The names of an error or error class."""
    cls = error if isinstance(error, type) else type(error)
    http, exit_status = next(_STATUS[base] for base in cls.__mro__ if base in _STATUS)
    words = re.findall(r"[A-Z][a-z]*", cls.__name__.removesuffix("Error"))
    return Failure("-".join(words).lower(), http, exit_status)


def exit_status_of(code: str) -> int:
    """The exit status that belongs to a code, 1 for a code that this program does not know."""
    waiting: list[type[SleeError]] = [SleeError]
    while waiting:
        cls = waiting.pop()
        failure = failure_of(cls)
        if failure.code == code:
            return failure.exit
        waiting.extend(cls.__subclasses__())
    return EXIT_UNEXPECTED


def document(error: SleeError) -> FailureDocument:
    """The failure as every surface shows it."""
    if isinstance(error, ComponentDefinitionError | VerificationError | ProfileVerificationError):
        issues = error.issues
    else:
        issues = tuple(issue for line in str(error).splitlines() if (issue := _issue(line)))
    return FailureDocument(failure_of(error).code, str(error), issues)


def _issue(line: str) -> Issue | None:
    """Read back what an error message says of component, rule and remedy."""
    found = _ISSUE.fullmatch(line)
    return Issue(found["component"], found["rule"], found["problem"], found["remedy"] or "") if found else None
