"""A session: requests of one conversation or agent, which come one after the other.

Rule: the first request that starts in it says that it opens the session, and no other does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

if TYPE_CHECKING:
    from foretide_client.events import Methods, RequestSpan


class Session:
    """Its requests, told as ``Methods`` tells them; made by ``Methods.session``.

    So Foretide learns how many requests a session has, and sees the rest of them coming.
    """

    def __init__(self, methods: Methods, fields: Dict[str, Any]) -> None:
        self._methods = methods
        self._fields = fields
        self._opening = iter((True,))

    def request(self, **more: Any) -> RequestSpan:
        """See ``Methods.request``: it is meant for a ``with`` at once."""
        return self._methods.request(opens_session=self._opens(), **{**self._fields, **more})

    def request_started(self, **more: Any) -> bool:
        """See ``Methods.request_started``."""
        fields = {**self._fields, **more}
        return self._methods.request_started(opens_session=self._opens(), **fields)

    def request_finished(self, **more: Any) -> bool:
        """See ``Methods.request_finished``."""
        return self._methods.request_finished(**{**self._fields, **more})

    def _opens(self) -> Optional[bool]:
        return next(self._opening, None)
