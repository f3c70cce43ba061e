"""A resource adaptor for tests that answers what SBBs command (TST-5)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from slee.testing.resources import Handed, Recorder, RecordingResource

if TYPE_CHECKING:
    from slee.api.resource import ResourceAdaptorType

_Match = object | Callable[[object], bool]


class Expectation:
    """A command that is to come, and what is answered; answers are given in the order in which they were named.

        resource.expect("dial").fires(Ringing()).fires(Answered(), after=4)

    `on` names the activity of an answer; without, it is that of the command.
    """

    def __init__(self, script: ScriptedResource, match: _Match, times: int) -> None:
        self._script = script
        self._match = match
        self.times = times
        """How often the command is still to come."""
        self._failure: Exception | None = None
        self._answers: list[tuple[float, Callable[[Hashable], None]]] = []

    def fires(self, event: object, *, on: Hashable | None = None, after: float = 0.0) -> Self:
        """Answer with an event, `after` seconds of the clock."""
        script = self._script
        return self._answer(after, lambda handle: script.endpoint.fire(handle if on is None else on, event))

    def ends(self, *, on: Hashable | None = None, after: float = 0.0) -> Self:
        """Answer with the end of the activity."""
        script = self._script
        return self._answer(after, lambda handle: script.endpoint.end_activity(handle if on is None else on))

    def throws(self, error: Exception, callback: str) -> Self:
        """Have the next call of a callback raise, like `activity_ended`, after the command has come."""
        return self._answer(0.0, lambda _: self._script.throw(error, callback))

    def fails(self, error: Exception) -> Self:
        """Fail the command itself: it is recorded, and its hand-over raises."""
        self._failure = error
        return self

    def _answer(self, after: float, answer: Callable[[Hashable], None]) -> Self:
        if after < 0:
            raise ValueError(f"an answer after {after} seconds [TST-5]; give 0 or more")
        self._answers.append((after, answer))
        return self

    def matches(self, command: object) -> bool:
        """Whether the command is one that is waited for here."""
        return self.times > 0 and bool(self._match(command) if callable(self._match) else self._match == command)

    def meet(self, handed: Handed, now: float) -> None:
        """The command has come."""
        self.times -= 1
        for after, answer in self._answers:
            if after:
                self._script.schedule(_Answer(now + after, answer, handed.activity))
            else:
                answer(handed.activity)
        if self._failure is not None:
            raise self._failure

    def __str__(self) -> str:
        return repr(self._match)


@dataclass(frozen=True, slots=True)
class _Answer:
    due: float
    answer: Callable[[Hashable], None]
    activity: Hashable


class ScriptedResource(RecordingResource):
    """A `RecordingResource` that waits for commands and answers them.

    A command that no expectation matches, and an expectation whose command does not come, fail the test when the
    harness closes.
    """

    def __init__(self, ra_type: ResourceAdaptorType[Recorder]) -> None:
        super().__init__(ra_type)
        self._expected: list[Expectation] = []
        self._unexpected: list[object] = []
        self._answers: list[_Answer] = []
        self._throws: list[tuple[str, Exception]] = []

    def expect(self, match: _Match, *, times: int = 1) -> Expectation:
        """Wait for a command.

        Args:
            match: the command, as SBBs give it, or a function that says whether one matches.
            times: how often it is to come; each time it is answered alike.
        """
        if times < 1:
            raise ValueError(f"a command that comes {times} times [TST-5]; give 1 or more")
        expectation = Expectation(self, match, times)
        self._expected.append(expectation)
        return expectation

    def throw(self, error: Exception, callback: str) -> None:
        """Have the next call of a callback raise.

        Raises:
            ValueError: an adaptor has no such callback.
        """
        if not hasattr(RecordingResource, callback):
            raise ValueError(f"{callback} is no callback of an adaptor [TST-5]; activity_ended is one")
        self._throws.append((callback, error))

    def schedule(self, answer: _Answer) -> None:
        """Give an answer when it is due."""
        self._answers.append(answer)

    def problems(self) -> list[str]:
        """What is wrong with the script so far: commands that did not come, and those nobody waited for."""
        unmet = [f"{e} was to come {e.times} times more" for e in self._expected if e.times > 0]
        if not unmet and not self._unexpected:
            return []
        problem = (
            f"the script is not met [TST-5]; expected: {', '.join(unmet) or 'nothing more'}; "
            f"unexpected: {', '.join(map(repr, self._unexpected)) or 'nothing'}"
        )
        return [problem]

    def perform(self, command: object) -> None:
        super().perform(command)
        assert isinstance(command, Handed)
        for expectation in self._expected:
            if expectation.matches(command.command):
                expectation.meet(command, self.context.now)
                return
        self._unexpected.append(command.command)

    def next_deadline(self) -> float | None:
        return min((answer.due for answer in self._answers), default=None)

    def tick(self, now: float) -> None:
        due = sorted((a for a in self._answers if a.due <= now), key=lambda a: a.due)
        self._answers = [a for a in self._answers if a.due > now]
        for answer in due:
            answer.answer(answer.activity)

    def note(self, callback: str, *arguments: object) -> None:
        super().note(callback, *arguments)
        for armed in self._throws:
            if armed[0] == callback:
                self._throws.remove(armed)
                raise armed[1]


__all__ = ["Expectation", "ScriptedResource"]
