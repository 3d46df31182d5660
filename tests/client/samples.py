"""Everything the client can send, driven through its public methods."""

from __future__ import annotations

from foretide_client import AsyncTelemetry, MemorySender


async def everything() -> list[tuple[str, bytes]]:
    sender = MemorySender()
    async with AsyncTelemetry(
        workload="prod/bot", pod="bot-1", variant="a100", sender=sender, clock=lambda: 1_700_000_000.5
    ) as telemetry:
        telemetry.request_started(tokens_in=12, tenant="acme", session="s-1")
        telemetry.request_started(session="s-1", opens_session=True)
        telemetry.request_finished(latency_s=0.25, tokens_in=12, tokens_out=7)
        for status in ("ok", "error", "dropped"):
            telemetry.request_finished(status=status)
        with telemetry.request(tokens_in=3) as request:
            request.tokens_out = 9
        telemetry.resource(
            cpu_cores=3.1,
            memory_bytes=9.1e9,
            gpu_ratio=0.71,
            gpu_memory_bytes=6.2e10,
            queue_depth=4,
            in_flight=12,
            kv_cache_ratio=0.63,
        )
        telemetry.replicas(desired=6, ready=5, starting=1, started_s=[41.2])
        telemetry.publish({"kind": "request", "workload": "prod/other", "at": 5, "latency_s": 1})
        assert await telemetry.flush()
        assert telemetry.stats().sent == telemetry.stats().accepted == 11
    return sender.messages
