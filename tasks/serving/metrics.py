"""What the server tells Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)
TOKENS: Final = (16, 64, 256, 1_024, 4_096, 16_384, 65_536)


class ServingMetrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_requests(self.registry)
        self._of_batches(self.registry)
        self._of_versions(self.registry)
        self._of_canaries(self.registry)
        self._of_records(self.registry)

    def _of_requests(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "assayline_requests",
            "Requests to /invocations by HTTP status.",
            ["status"],
            registry=registry,
        )
        self.rows = Counter(
            "assayline_rows", "Rows that were answered.", ["role", "version"], registry=registry
        )
        self.failed_rows = Counter(
            "assayline_failed_rows",
            "Rows that a version was asked and did not answer: failed (the model cannot) or "
            "unanswered (not in time, or its process ended). Of a canary, production answered "
            "them.",
            ["role", "version", "error"],
            registry=registry,
        )
        self.latency = Histogram(
            "assayline_request_latency_seconds",
            "Seconds from the arrival of an answered request to its last answer; from when the "
            "version was asked, where another one was asked before.",
            ["role", "version"],
            buckets=SECONDS,
            registry=registry,
        )
        self.explained = Counter(
            "assayline_explained_rows",
            "Rows whose answers were to be explained: explained, or failed (not in time, or not at "
            "all; the answer itself was given).",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("explained", "failed"):
            self.explained.labels(outcome)

    def _of_batches(self, registry: CollectorRegistry) -> None:
        self.batch_rows = Histogram(
            "assayline_batch_rows",
            "Rows that were given to the model at once.",
            buckets=SIZES,
            registry=registry,
        )
        self.batch_tokens = Histogram(
            "assayline_batch_tokens",
            "Tokens that were given to the model at once.",
            buckets=TOKENS,
            registry=registry,
        )
        self.waiting = Gauge(
            "assayline_waiting_rows", "Rows that wait for the model now.", registry=registry
        )

    def _of_versions(self, registry: CollectorRegistry) -> None:
        self.version = Gauge(
            "assayline_version", "The version that serves, by role.", ["role"], registry=registry
        )
        self.ready = Gauge(
            "assayline_ready", "1 while a model's process answers, else 0.", registry=registry
        )
        self.in_doubt = Gauge(
            "assayline_production_in_doubt",
            "1 while ledger and registry do not say which version is in production, or cannot be "
            "asked; else 0.",
            registry=registry,
        )
        self.reloads = Counter(
            "assayline_reloads",
            "Versions that were to take over, by what came of it.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("served", "refused"):
            self.reloads.labels(outcome)
        self.restarts = Counter(
            "assayline_model_restarts",
            "Starts of a model's process in place of one that ended.",
            ["role"],
            registry=registry,
        )
        self.restarts.labels("production")

    def _of_canaries(self, registry: CollectorRegistry) -> None:
        self.canary_share = Gauge(
            "assayline_canary_share",
            "Share of the requests that a candidate answers now; 0 where none does.",
            registry=registry,
        )
        self.canary_in_doubt = Gauge(
            "assayline_canary_in_doubt",
            "1 while it is not known whether a canary goes on, and no candidate is asked; else 0.",
            registry=registry,
        )
        self.canary_refused = Gauge(
            "assayline_canary_refused",
            "1 while a canary goes on whose candidate cannot be served; else 0.",
            registry=registry,
        )
        self.shadow_dropped = Counter(
            "assayline_shadow_dropped_rows",
            "Rows that a candidate in shadow was not asked, since too many waited for it.",
            registry=registry,
        )

    def _of_records(self, registry: CollectorRegistry) -> None:
        self.recorded = Counter(
            "assayline_recorded_rows",
            "Rows that were written to the store.",
            ["kind"],
            registry=registry,
        )
        self.not_recorded = Counter(
            "assayline_dropped_records",
            "Rows that should have been recorded and were not: by privacy (the line's policy puts "
            "such a row aside), full (the buffer is, since the store is away or slow), or lost "
            "(the store was away at shutdown).",
            ["kind", "reason"], registry=registry,
        )  # fmt: skip
        for kind in ("requests", "feedback"):
            self.recorded.labels(kind)
            for reason in ("privacy", "full", "lost"):
                self.not_recorded.labels(kind, reason)
