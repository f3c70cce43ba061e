"""Dialogs that pass through the proxy and are followed for a service (SIP-160 as corrected).

A followed dialog is known by its Call-ID and two tags. The requests inside it are forwarded at once, as without anybody
following. The 2xx that begins a call and the final answer that ends it are held until the adaptor has said that it will
remember: whoever sent the request repeats it until then, so that no crash can lose the begin or the end of a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resource_adaptors.sip.protocol.events import AnswerHeld, DialogBegun, DialogOver, DialogRequest
from resource_adaptors.sip.protocol.followed import DialogID, FollowedBranch, HeldAnswer, ProxyDialog

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request, Response
    from resource_adaptors.sip.protocol.client import ClientTransaction
    from resource_adaptors.sip.protocol.context import ResponseContext
    from resource_adaptors.sip.protocol.notices import Notices
    from resource_adaptors.sip.protocol.server import ServerTransaction

MOST_EARLY: Final = 8
"""Early dialogs of one branch that are followed; a target that makes up tags gets no further."""
_UNSETTLED: Final = frozenset({401, 407})
"""Answers to a BYE after which it comes again, with credentials: the call goes on meanwhile."""
_GONE: Final = 481


class Dialogs:
    """The followed dialogs of one core."""

    def __init__(self, branches: dict[str, FollowedBranch], notices: Notices) -> None:
        """Make it; `branches` is the transaction layer's, which forgets a branch with its transaction."""
        self.branches = branches
        self._events = notices.events
        self.by_id: dict[DialogID, ProxyDialog] = {}

    def follow(self, branch: str, transaction: ServerTransaction) -> None:
        """Follow the dialogs that the responses on a branch make."""
        self.branches[branch] = FollowedBranch(transaction)

    def restore(self, key: DialogID) -> ProxyDialog:
        """Follow a confirmed dialog again after a restart."""
        dialog = self.by_id[key] = ProxyDialog(key, is_confirmed=True)
        return dialog

    def forget(self, dialog: ProxyDialog) -> None:
        """Follow a dialog no more; without effect if that is so already."""
        dialog.is_over = True
        if self.by_id.get(dialog.key) is dialog:
            del self.by_id[dialog.key]

    # What branches of an INVITE answer.

    def early(self, branch: str, response: Response) -> ProxyDialog | None:
        """The dialog of a provisional response, begun by it if need be; `None` if it makes none or is not followed."""
        followed = self.branches.get(branch)
        if followed is None or followed.is_answered or response.status == 100:
            return None
        return self._dialog_of(followed, branch, response)

    def holds(self, client: ClientTransaction, response: Response) -> bool:
        """Whether a 2xx has to wait: the first one until it is released, its repetitions likewise."""
        followed = self.branches.get(client.branch)
        if followed is None:
            return False
        if followed.is_answered:
            return followed.is_held
        dialog = self._dialog_of(followed, client.branch, response)
        if dialog is None:
            return False
        followed.is_answered = followed.is_held = dialog.is_confirmed = True
        followed.client, followed.response = client, response
        others = [other for other in followed.dialogs if other is not dialog]
        followed.dialogs = [dialog]
        for other in others:
            self._end(other, "failed", response.status)
        self._events.append(AnswerHeld(followed, followed.transaction, client.branch, response, dialog))
        return True

    def drop_branch(self, branch: str, status: int) -> None:
        """A branch has failed, and the early dialogs on it with it (RFC 3261 13.2.2.3)."""
        followed = self.branches.pop(branch, None)
        if followed is not None and not followed.is_answered:
            for dialog in followed.dialogs:
                self._end(dialog, "failed", status)

    def _dialog_of(self, followed: FollowedBranch, branch: str, response: Response) -> ProxyDialog | None:
        callee_tag, caller_tag = response.to_tag, response.from_tag
        if callee_tag is None or caller_tag is None:
            return None  # a user agent of RFC 2543; nothing can be matched to it
        key = (response.call_id, caller_tag, callee_tag)
        dialog = self.by_id.get(key)
        if dialog is None:
            if len(followed.dialogs) >= MOST_EARLY and response.status < 200:
                return None
            dialog = self.by_id[key] = ProxyDialog(key)
            self._events.append(DialogBegun(dialog, followed.transaction, branch, response))
        if dialog not in followed.dialogs:
            followed.dialogs.append(dialog)
        return dialog

    def _end(self, dialog: ProxyDialog, cause: str, status: int) -> None:
        if not dialog.is_over and not dialog.is_confirmed:
            self.forget(dialog)
            self._events.append(DialogOver(dialog, cause, status, None))

    # Requests inside dialogs.

    def take_request(self, request: Request, source: tuple[str, int]) -> ProxyDialog | None:
        """The dialog of a request that is about to be forwarded, which is told of it; `None` if it is not followed."""
        call_id, sender, receiver = request.call_id, request.from_tag, request.to_tag
        if sender is None or receiver is None:
            return None
        dialog = self.by_id.get((call_id, sender, receiver))
        is_from_caller = dialog is not None
        if dialog is None:
            dialog = self.by_id.get((call_id, receiver, sender))
            if dialog is None:
                return None
        if request.method == "ACK":
            if dialog.acknowledged == request.cseq.number:
                return dialog
            dialog.acknowledged = request.cseq.number
        self._events.append(DialogRequest(dialog, request, source, is_from_caller))
        return dialog

    def holds_end(self, context: ResponseContext, client: ClientTransaction, response: Response) -> bool:
        """Whether a 2xx to a request inside a dialog ends that, and so waits for `Proxy.release`."""
        assert client.owner is not None
        return self.ends_with(context, response.status, HeldAnswer(client.owner, client, response))

    def ends_with(self, context: ResponseContext, status: int, answer: HeldAnswer, *, is_held: bool = True) -> bool:
        """Whether the final answer to a request ends its dialog, and so waits for `Proxy.release`.

        A BYE ends it whatever is answered (RFC 3261 15.1.1), but for a challenge; 481 says that it is gone (12.2.1.2).
        """
        dialog, context.dialog = context.dialog, None
        if dialog is None or dialog.is_over:
            return False
        if answer.transaction.method == "BYE":
            if status in _UNSETTLED:
                return False
            cause = "bye"
        elif status == _GONE:
            cause = "gone"
        else:
            return False
        self.forget(dialog)
        self._events.append(DialogOver(dialog, cause, status, answer if is_held else None))
        return True

    def knows_answer(self, response: Response) -> bool:
        """Whether a 2xx to an INVITE without a transaction belongs to a followed call that survived a restart."""
        caller, callee = response.from_tag, response.to_tag
        return caller is not None and callee is not None and (response.call_id, caller, callee) in self.by_id
