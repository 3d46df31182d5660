"""Consumer groups as the broker sees them: state, members and what they own, commits.

Rule: asks and changes nothing; a group that nobody has ever joined is an answer, not an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import CoordinatorNotAvailableError, IncompatibleBrokerVersion, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest

from streams.kafka.transport import committed_at

NEWEST_READ = 2
"""aiokafka 0.14 reads the answer to version 3 by version 2's form, and fails."""

TRIES = 10
TRY_AGAIN_S = 0.2
"""A cluster whose first group is asked for makes its coordinator then."""


class _DescribeGroups(DescribeGroupsRequest):  # type: ignore[misc]
    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Any:
        if self.API_KEY not in versions:
            raise IncompatibleBrokerVersion(
                "it cannot describe consumer groups (the demo's embedded broker cannot)"
            )
        least, most = versions[self.API_KEY]
        return super().prepare({**versions, self.API_KEY: (least, min(most, NEWEST_READ))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member; ``owns`` are its partitions of the group's topic."""

    host: str
    owns: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What is committed of a partition; ``at`` Unix seconds, None: whoever made it did not say."""

    offset: int
    at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """``state`` in Kafka's words: ``Stable``, ``Empty``, ``Dead`` (there is no such group), ..."""

    state: str
    members: tuple[Member, ...]
    commits: Mapping[int, Commit]


NOBODY = Group(state="Dead", members=(), commits={})


async def group(admin: AIOKafkaAdminClient, name: str, topic: str) -> Group:
    """A group as far as ``topic`` is concerned.  Raises ``KafkaError``."""
    coordinator = await _coordinator(admin, name)
    if coordinator is None:
        return NOBODY
    answer = await admin._client.send(coordinator, _DescribeGroups([name]))
    code, _, state, _, _, members = answer.groups[0]
    if code:
        raise for_code(code)(f"describing group {name}")
    found = await admin.list_consumer_group_offsets(name, group_coordinator_id=coordinator)
    return Group(
        state=state,
        members=tuple(_member(member, topic) for member in members),
        commits={
            tp.partition: Commit(offset=at.offset, at=committed_at(at.metadata or ""))
            for tp, at in found.items()
            if tp.topic == topic and at.offset >= 0
        },
    )


async def _coordinator(admin: AIOKafkaAdminClient, name: str) -> int | None:
    for _ in range(TRIES):
        try:
            found: int = await admin.find_coordinator(name)
        except CoordinatorNotAvailableError:
            await asyncio.sleep(TRY_AGAIN_S)
        else:
            return found
    return None


def _member(described: Sequence[Any], topic: str) -> Member:
    _, _, host, _, assignment = described
    owns: frozenset[int] = frozenset()
    if assignment:  # Empty while the group rebalances.
        shares = ConsumerProtocolMemberAssignment.decode(assignment).assignment
        owns = frozenset(number for name, numbers in shares if name == topic for number in numbers)
    return Member(host=host.removeprefix("/"), owns=owns)
