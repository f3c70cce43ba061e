"""A resource adaptor that echoes: what the test bundles are bound to."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, SecretStr

from slee import ResourceAdaptorType, event_type
from slee.api.errors import InvalidConfigurationError
from slee.api.ids import ResourceAdaptorID
from slee.spi import ResourceAdaptor, ResourceAdaptorContext, ResourceInterface, command


@event_type("echo.Heard", vendor="test", version="1.0")
class Heard:
    """Somebody said something."""

    who: str
    words: str


class EchoInterface(ResourceInterface):
    """What SBBs call."""

    @command
    def say(self, words: str) -> None:
        """Say something."""


class EchoProvider(EchoInterface):
    """What the adaptor lends to SBBs."""

    def __init__(self, context: ResourceAdaptorContext) -> None:
        self._context = context

    def say(self, words: str) -> None:
        self._context.enlist(words)


ECHO: Final = ResourceAdaptorType(
    "ECHO", vendor="test", version="1.0", interface=EchoInterface, events=(Heard,), activities=(str,)
)


class EchoConfiguration(BaseModel):
    """Properties of the adaptor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen_port: int
    greeting: str = "hello"
    password: SecretStr | None = None


class EchoAdaptor(ResourceAdaptor):
    """Keeps what it is told."""

    id: ClassVar = ResourceAdaptorID("echo", "test", "1.0")
    ra_types: ClassVar = (ECHO,)
    configuration: ClassVar = EchoConfiguration

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.said: list[object] = []
        self.configured: EchoConfiguration | None = None

    def set_context(self, context: ResourceAdaptorContext) -> None:
        self.context = context
        self.calls.append("set_context")

    def unset_context(self) -> None:
        self.calls.append("unset_context")

    def ra_verify_configuration(self, configuration: BaseModel) -> None:
        self.calls.append("ra_verify_configuration")
        assert isinstance(configuration, EchoConfiguration)
        if configuration.listen_port == 13:
            raise InvalidConfigurationError("listen-port: 13 is unlucky [RA-2]; give another")

    def ra_configure(self, configuration: BaseModel) -> None:
        self.calls.append("ra_configure")
        assert isinstance(configuration, EchoConfiguration)
        self.configured = configuration

    def ra_configuration_update(self, configuration: BaseModel) -> None:
        self.calls.append("ra_configuration_update")
        assert isinstance(configuration, EchoConfiguration)
        self.configured = configuration

    def ra_unconfigure(self) -> None:
        self.calls.append("ra_unconfigure")

    def ra_active(self) -> None:
        self.calls.append("ra_active")
        assert self.configured is not None
        if self.configured.listen_port == 1:
            raise OSError("port 1 is in use")
        if self.configured.greeting == "linger":
            self.context.endpoint.start_activity("an activity that nobody ends", self)

    def ra_stopping(self) -> None:
        self.calls.append("ra_stopping")

    def ra_inactive(self) -> None:
        self.calls.append("ra_inactive")

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> EchoProvider:
        return EchoProvider(self.context)

    def perform(self, command: object) -> None:
        self.said.append(command)

    def get_activity(self, handle: Hashable) -> object:
        return handle
