"""The naming facility and null activities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slee.api.activity import ActivityContext, NullActivity
from slee.api.errors import NameAlreadyBoundError, NameNotBoundError
from slee.api.facilities import NamingFacility, NullActivities
from slee.kernel.context import Context
from slee.kernel.states import ContextState

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel


class Naming(NamingFacility):
    """One flat space of names for activity contexts (group NAM)."""

    __slots__ = ("kernel", "names")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.names: dict[str, Context] = {}

    def bind(self, aci: ActivityContext, name: str) -> None:
        tx = self.kernel.transaction_for("naming.bind", "NAM-1")
        context = self.kernel.context_of(aci, "naming.bind")
        _judge(name, "bind")
        context.require_active("naming.bind", "NAM-3")
        if name in self.names:
            raise NameAlreadyBoundError(f"name {name!r} is bound to {self.names[name]} [NAM-2]; unbind it first")
        self._add(name, context)
        tx.undo.append((self._drop, (name, context)))

    def unbind(self, name: str) -> None:
        tx = self.kernel.transaction_for("naming.unbind", "NAM-1")
        _judge(name, "unbind")
        context = self.names.get(name)
        if context is None:
            raise NameNotBoundError(f"name {name!r} is not bound [NAM-5]; ask find() first")
        self._drop(name, context)
        tx.undo.append((self._add, (name, context)))
        tx.judge_later(context)

    def find(self, name: str) -> ActivityContext | None:
        self.kernel.transaction_for("naming.find", "NAM-1")
        _judge(name, "find")
        return self.names.get(name)

    def forget(self, context: Context) -> None:
        """Free the names of a context whose end is complete (NAM-10)."""
        for name in tuple(context.names or ()):
            self._drop(name, context)

    def recover(self, name: str, context: Context) -> None:
        """Bind a name that was bound when the process ended (AC-20)."""
        self._add(name, context)

    def _add(self, name: str, context: Context) -> None:
        self.names[name] = context
        if context.names is None:
            context.names = {}
        context.names[name] = None
        context.referenced = True
        if context.lasting:
            context.note_setting(("name", name), self.kernel.transaction)

    def _drop(self, name: str, context: Context) -> None:
        del self.names[name]
        if context.names is not None:
            del context.names[name]
        if context.lasting:
            self.kernel.dirty[context] = None


def _judge(name: object, what: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"naming.{what}: a name is a str, not {name!r} [NAM-3]; give a text")
    if not name:
        raise ValueError(f"naming.{what}: the name is empty [NAM-3]; give a text")


class KernelNullActivity(NullActivity):
    """A null activity; knows its context (AC-21)."""

    __slots__ = ("context",)

    context: Context

    def end(self) -> None:
        kernel = self.context.kernel
        tx = kernel.transaction_for("NullActivity.end", "AC-21")
        self.context.end_in(tx)


class NullActivityFactory(NullActivities):
    """Makes null activities (AC-21 to AC-26)."""

    __slots__ = ("contexts", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.contexts: dict[str, Context] = {}

    def create(self) -> ActivityContext:
        tx = self.kernel.transaction_for("null_activities.create", "AC-21")
        activity = KernelNullActivity()
        context = Context(self.kernel, None, self.kernel.new_id("null"), activity)
        activity.context = context
        key = str(context.handle)
        self.contexts[key] = context
        tx.undo.append((self._undo, (key, context)))
        if not tx.running or tx.running[-1].env.rank:
            journalling = self.kernel.journalling
            if journalling is not None:
                context.last_on()
        tx.judge_later(context)
        return context

    def _undo(self, key: str, context: Context) -> None:
        del self.contexts[key]
        context.state = ContextState.INVALID
