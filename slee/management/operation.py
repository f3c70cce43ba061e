"""What an operation of management is: a name, arguments, a result, and the Python form that it calls (MGT-1)."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from slee.api import errors
from slee.api.errors import SleeError
from slee.management.activities import ActivityOperations
from slee.management.alarms import ActiveAlarms
from slee.management.arguments import Arguments
from slee.management.bundles import Bundles
from slee.management.letters import DeadLetters
from slee.management.profiles import Profiles
from slee.management.resources import Resources
from slee.management.schedules import Schedules
from slee.management.services import Services
from slee.management.state import SleeStates
from slee.management.steps import Steps
from slee.management.tracing import Tracing
from slee.management.upgrades import Upgrades
from slee.management.usage import Usage

if TYPE_CHECKING:
    from slee.management.management import Management

_RULES: Final = re.compile(r",? \(?[A-Z]+-\d+(?:(?:, | to )[A-Z]+-\d+)*\)?")


class Role(enum.IntEnum):
    """Who may call an operation; each may do what the ones before may (MGT-14)."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class Transfer(enum.Enum):
    """How a file goes with an operation; its arguments are then in the query, whatever the method."""

    UPLOAD = "upload"
    """The request's body is a file, read in pieces: the Python form gives what the pieces are fed to."""
    DOWNLOAD = "download"
    """The answer is a file: the Python form gives its pieces."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation."""

    name: str
    """Family and verb, `service.activate`: also the route and the command."""
    arguments: type[Arguments]
    result: Any
    """Type of the result."""
    role: Role
    """The least role that may call it."""
    changes: bool
    """Whether it changes anything; such a one is called by POST, the others by GET."""
    call: Callable[..., Any]
    """The Python form: a method of a part of `Management`."""
    raises: tuple[type[SleeError], ...] = ()
    """Errors besides `InvalidArgumentError`."""
    transfer: Transfer | None = None
    stepwise: Callable[..., Steps[Any]] | None = None
    """The Python form that leaves time for calls between its steps, where the whole takes long."""

    @property
    def family(self) -> str:
        """First word of the command."""
        return self.name.partition(".")[0]

    @property
    def verb(self) -> str:
        """The words of the command behind the family, with a dot between two."""
        return self.name.partition(".")[2]

    @property
    def path(self) -> str:
        """The route."""
        return f"/v1/{self.name.replace('.', '/')}"

    @property
    def summary(self) -> str:
        """What it does, as the documentation of its Python form begins, without the rules' ids."""
        first = (self.call.__doc__ or "").strip().partition("\n\n")[0]
        return _RULES.sub("", " ".join(first.split()))

    def run(self, management: Management, arguments: Arguments) -> Any:
        """Call the Python form with checked arguments; `InvalidStateError` once the SLEE is shut down (SLE-12)."""
        return self._call(self.call, management, arguments)

    def steps(self, management: Management, arguments: Arguments) -> Steps[Any] | None:
        """The same in steps, if it is done in steps."""
        return None if self.stepwise is None else self._call(self.stepwise, management, arguments)

    def _call(self, form: Callable[..., Any], management: Management, arguments: Arguments) -> Any:
        if management.slee.is_shut_down:
            raise errors.InvalidStateError("the SLEE is shut down [SLE-12]; start the server again")
        values = {name: getattr(arguments, name) for name in type(arguments).model_fields}
        return form(_PARTS[form.__qualname__.partition(".")[0]](management), **values)


_PARTS: Final[dict[str, Callable[[Management], object]]] = {
    SleeStates.__name__: lambda management: management.slee,
    Bundles.__name__: lambda management: management.bundles,
    Services.__name__: lambda management: management.services,
    Resources.__name__: lambda management: management.resources,
    ActivityOperations.__name__: lambda management: management.activities,
    DeadLetters.__name__: lambda management: management.letters,
    Schedules.__name__: lambda management: management.schedules,
    Tracing.__name__: lambda management: management.tracing,
    ActiveAlarms.__name__: lambda management: management.alarms,
    Usage.__name__: lambda management: management.usage,
    Profiles.__name__: lambda management: management.profiles,
    Upgrades.__name__: lambda management: management.upgrades,
}
"""The part of `Management` by its class."""


def reading(name: str, arguments: type[Arguments], result: Any, call: Callable[..., Any], *raises: Any) -> Operation:
    """An operation that changes nothing."""
    return Operation(name, arguments, result, Role.VIEWER, False, call, raises)


def state(name: str, arguments: type[Arguments], result: Any, call: Callable[..., Any], *raises: Any) -> Operation:
    """An operation that operators use from day to day."""
    return Operation(name, arguments, result, Role.OPERATOR, True, call, raises)


def change(name: str, arguments: type[Arguments], result: Any, call: Callable[..., Any], *raises: Any) -> Operation:
    """An operation that changes what is installed, configured or provisioned."""
    return Operation(name, arguments, result, Role.ADMIN, True, call, raises)


__all__ = ["Operation", "Role", "Transfer", "change", "reading", "state"]
