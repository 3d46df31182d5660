"""Settings: everything an operator can set, from the environment (``FORETIDE_...``).

Rule: one place, validated at start with the field, the value and what is allowed.
The defaults here, in docker-compose.yml and in the README's table are equal; a test says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Role = Literal["aggregate", "plan", "allocate", "actuate"]
ROLES: tuple[Role, ...] = ("aggregate", "plan", "allocate", "actuate")

LAST_PORT = 65_535

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """Settings of one worker process; each is an environment variable ``FORETIDE_<NAME>``."""

    # An empty variable is one that is not set: so it is with compose and with charts.
    model_config = SettingsConfigDict(
        env_prefix="FORETIDE_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    bootstrap: str = Field("localhost:9092", description="Kafka bootstrap servers, host:port,...")
    topic_prefix: str = Field("foretide.", description="prefix of every topic")
    group_prefix: str = Field("foretide-", description="prefix of every consumer group")
    partitions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        4, description="partitions of the topics that `foretide topics create` makes"
    )
    replication: Annotated[int, Field(ge=1, le=32)] = Field(
        1, description="replication factor of the topics that `foretide topics create` makes"
    )
    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        ROLES, description="roles this worker plays, comma-separated"
    )
    specs: Path | None = Field(None, description="file or folder of specs published at start")

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to Kafka"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="SASL mechanism, with a SASL security protocol"
    )
    sasl_username: str | None = Field(None, description="SASL user")
    sasl_password: SecretStr | None = Field(None, description="SASL password")
    ssl_cafile: Path | None = Field(None, description="CA bundle that signed the brokers")
    ssl_certfile: Path | None = Field(None, description="client certificate")
    ssl_keyfile: Path | None = Field(None, description="key of the client certificate")

    session_timeout_s: Seconds = Field(6.0, description="Kafka group session timeout")
    commit_interval_s: Seconds = Field(1.0, description="how often offsets are committed")
    fetch_max_wait_ms: Annotated[int, Field(ge=1, le=60_000)] = Field(
        500, description="longest a broker holds a fetch that has no data"
    )
    linger_ms: Annotated[int, Field(ge=0, le=1_000)] = Field(
        0, description="how long the producer waits to fill a batch"
    )
    lateness_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        2.0, description="how long after its end a second is waited for"
    )
    progress_interval_s: Seconds = Field(1.0, description="how often progress is reported")
    decision_valid_s: Seconds = Field(60.0, description="time to live of a decision")
    rebuild_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = Field(
        7200.0, description="how much of the load log a new owner reads to learn again"
    )

    snapshot_interval_s: Seconds = Field(
        30.0, description="every workload's state is sealed and kept at least this often"
    )
    snapshot_key: SecretStr | None = Field(
        None, description="secret that seals snapshots; without one damage is seen, forgery not"
    )

    actuator: Literal["kubernetes", "dry-run", "memory"] = Field(
        "kubernetes", description="what decisions are applied to"
    )
    kubeconfig: Path | None = Field(None, description="kubeconfig; none: in-cluster, then default")
    actuator_concurrency: Annotated[int, Field(ge=1, le=1_000)] = Field(
        16, description="workloads patched at the same time"
    )
    request_timeout_s: Seconds = Field(10.0, description="timeout of one platform request")
    resync_s: Seconds = Field(10.0, description="observed replicas are told at least this often")

    web_host: str = Field("0.0.0.0", description="address of metrics and probes")  # noqa: S104
    web_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8080, description="port of /metrics, /livez and /readyz; 0: any free one"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="log level")

    @field_validator("roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        roles = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        if not roles:
            msg = f"must be of {', '.join(ROLES)}, comma-separated, not {value!r}"
            raise ValueError(msg)
        return roles

    @field_validator("bootstrap")
    @classmethod
    def _servers(cls, value: str) -> str:
        for server in value.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
                msg = f"must be host:port[,host:port...], ports 1 to {LAST_PORT}, not {value!r}"
                raise ValueError(msg)
        return value

    @property
    def servers(self) -> tuple[str, ...]:
        """Bootstrap servers, one by one."""
        return tuple(server.strip() for server in self.bootstrap.split(","))
