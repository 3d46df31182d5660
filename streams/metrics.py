"""Prometheus metrics of one worker, in a registry of its own.

Rule: a metric is a view of what the roles already count; names and units follow Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.progress import ProgressCollector, Progressing


class Metrics:
    """All metrics; made once at the composition root and handed down."""

    def __init__(self) -> None:
        """A registry of its own, so that two workers in one process do not clash."""
        self.registry = CollectorRegistry()
        own = self.registry
        self.events = Counter("foretide_events_total", "Telemetry events folded.", registry=own)
        self.rejected = Counter("foretide_rejected_total", "Telemetry refused.", registry=own)
        self.unreadable = Counter(
            "foretide_unreadable_total",
            "Records of Foretide's own topics that this version cannot read.",
            ["topic"],
            registry=own,
        )
        self.unknown_fields = Counter(
            "foretide_unknown_fields_total",
            "Fields of telemetry that nobody knows.",
            registry=own,
        )
        self.truncated = Counter(
            "foretide_log_truncated_total",
            "Times the telemetry log began after the committed offset: events are lost.",
            registry=own,
        )
        self.corrections = Gauge(
            "foretide_corrections",
            "Events that came after their second was closed.",
            registry=own,
        )
        self.decisions = Counter(
            "foretide_decisions_total", "Decisions made.", ["reason", "mode"], registry=own
        )
        self.outcomes = Counter(
            "foretide_outcomes_total",
            "What became of decisions.",
            ["result", "why"],
            registry=own,
        )
        self.step_seconds = Histogram(
            "foretide_step_seconds",
            "Time of one step of the core.",
            buckets=(0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
            registry=own,
        )
        self.reaction_seconds = Histogram(
            "foretide_reaction_seconds",
            "Newest event behind a decision to the platform's answer, by the worker's clock.",
            buckets=(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=own,
        )
        self.snapshots_discarded = Counter(
            "foretide_snapshots_discarded_total",
            "Snapshots that could not be used: what they held was learned again.",
            registry=own,
        )
        self.recovery_seconds = Gauge(
            "foretide_recovery_seconds",
            "Time that taking up the assigned load partitions took.",
            registry=own,
        )
        self.workloads = Gauge("foretide_workloads", "Workloads with a spec here.", registry=own)
        self.specs_refused = Gauge(
            "foretide_specs_refused", "Specs that were refused.", registry=own
        )

    def watch(self, roles: Iterable[Progressing]) -> None:
        """Tell the roles' progress at each scrape, partition by partition."""
        self.registry.register(ProgressCollector(roles))
