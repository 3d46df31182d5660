"""What a consumer makes of errors that the coordinator of its group answers.

Rule: what an operator must change ends the worker with words that say what; anything else is
logged, and joining is tried again.
Why: aiokafka stops coordinating until somebody asks for the error, and Faust asks only once it
has partitions: a consumer that is refused at its start would wait forever, and one that is told
of a passing fault later would take Faust's fetcher down with it.
"""

from __future__ import annotations

import logging
from typing import Any

from aiokafka import errors

log = logging.getLogger(__name__)

REMEDIES: dict[type[errors.KafkaError], str] = {
    errors.GroupAuthorizationFailedError: "allow its user READ on the group",
    errors.TopicAuthorizationFailedError: "allow its user READ on the topic",
    errors.InvalidSessionTimeoutError: (
        "FORETIDE_SESSION_TIMEOUT_S must lie between the broker's group.min.session.timeout.ms "
        "and group.max.session.timeout.ms"
    ),
    errors.InconsistentGroupProtocolError: (
        "its members assign partitions differently: something else than Foretide is in this group"
    ),
    errors.InvalidGroupIdError: "FORETIDE_GROUP_PREFIX must make a name that Kafka takes",
}
"""What trying again does not mend, and what does."""


class GroupRefusedError(Exception):
    """Kafka does not let this consumer into its group; the text says what to do."""


def tolerate(consumer: Any) -> None:
    """Make a started consumer raise only what is not mended by trying again."""
    coordinator = consumer._coordinator
    ask = coordinator.check_errors

    def check_errors() -> None:
        try:
            ask()
        except errors.KafkaError as error:
            remedy = REMEDIES.get(type(error))
            group = coordinator.group_id
            if remedy is not None:
                text = f"Kafka does not let it into the group {group}: {error!r}; {remedy}"
                raise GroupRefusedError(text) from error
            if coordinator._coordination_task.done():
                raise
            log.warning("group %s: %r; joining is tried again", group, error)

    coordinator.check_errors = check_errors
