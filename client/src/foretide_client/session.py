"""A session: requests of one conversation or agent, which come one after the other.

Rule: the first request whose start is taken says that it opens the session, and no other does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

from foretide_client.span import RequestSpan

if TYPE_CHECKING:
    from foretide_client.events import Methods


class Session:
    """Its requests, told as ``Methods`` tells them; made by ``Methods.session``.

    So Foretide learns how many requests a session has, and sees the rest of them coming.
    """

    def __init__(self, methods: Methods, fields: Dict[str, Any]) -> None:
        self._methods = methods
        self._fields = fields
        self._opening = iter((True,))
        """Whether the next to start opens it; taken out at once, since threads share it."""

    def request(self, *, opens_session: Optional[bool] = None, **more: Any) -> RequestSpan:
        """See ``Methods.request``; ``opens_session`` as in ``request_started``."""

        def started(**fields: Any) -> bool:
            return self.request_started(opens_session=opens_session, **fields)

        return RequestSpan(started, self._methods.request_finished, {**self._fields, **more})

    def request_started(self, *, opens_session: Optional[bool] = None, **more: Any) -> bool:
        """See ``Methods.request_started``.

        ``opens_session`` is for a session that was begun elsewhere (``False``); left out, the
        session knows.
        """
        opening = next(self._opening, None)
        opens = opening if opens_session is None else opens_session
        taken = self._methods.request_started(opens_session=opens, **{**self._fields, **more})
        if opening and opens and not taken:
            self._opening = iter((True,))
        return taken

    def request_finished(self, **more: Any) -> bool:
        """See ``Methods.request_finished``."""
        return self._methods.request_finished(**{**self._fields, **more})
