"""A request that was sent before anybody asked for it, because it was known that somebody would.

`xm list` spends as long on importing its parts as the host on answering. So the command line begins the
conversation first (`domus.cli.early`), and the client's first request finds its answer on the way here.
Only what reads is ever asked ahead.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from domus.client.conversation import Conversation


_begun: list[tuple[str, str, Conversation]] = []


def put(where: str, target: str, conversation: Conversation) -> None:
    """Leave a conversation on which GET `target` has been sent to the peer whose key is `where`."""
    _begun.append((where, target, conversation))


def take(where: str, method: str, target: str) -> Conversation | None:
    """The conversation on which this very request has been sent; any other one is given up."""
    while _begun:
        begun_where, begun_target, conversation = _begun.pop()
        if (begun_where, "GET", begun_target) == (where, method, target):
            return conversation
        conversation.close()
    return None
