"""A worker that Kafka does not let into its group says so and ends, in place of waiting."""

from __future__ import annotations

from pathlib import Path

from lab.servers import KafkaServer
from tests.live import stack


async def test_a_session_timeout_that_the_broker_does_not_take(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    settings = stack.fresh_settings(kafka.bootstrap, session_timeout_s=3600.0)
    await stack.make_topics(settings)
    specs = tmp_path / "specs.yaml"
    specs.write_text(stack.scaler("refused"))
    worker = stack.WorkerProcess(settings, folder=tmp_path, plane=None, specs=specs, roles="plan")
    worker.start()
    try:
        await stack.until(lambda: not worker.running(), limit_s=30)
        assert worker.stop() == 1
        said = worker.log.read_text()
        assert "FORETIDE_SESSION_TIMEOUT_S must lie between" in said.splitlines()[-1]
        assert f"{settings.group_prefix}plan" in said.splitlines()[-1]
    finally:
        if worker.running():
            worker.stop()
