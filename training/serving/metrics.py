"""The figures of the reward service, for Prometheus."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from training.serving.items import Scored

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
RESPONSES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(slots=True)
class Timed:
    """A request that is being answered."""

    status: int = 500


class Metrics:
    """Count requests, responses and batches."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "podium_request_seconds",
            "Time from a request to its answer",
            ["path", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.responses = Counter(
            "podium_responses",
            "Responses, by whether they have a valid reward",
            ["result"],
            registry=self.registry,
        )
        self.tokens = Counter(
            "podium_tokens", "Tokens of scored responses and their prompts", registry=self.registry
        )
        self.batches = Histogram(
            "podium_batch_responses",
            "Responses that were computed together",
            buckets=RESPONSES,
            registry=self.registry,
        )
        self.computing = Counter(
            "podium_computing_seconds", "Time spent on computing rewards", registry=self.registry
        )
        self.waiting = Gauge(
            "podium_waiting_responses",
            "Responses that wait or are computed",
            registry=self.registry,
        )

    @contextmanager
    def timed(self, path: str) -> Iterator[Timed]:
        """Measure a request; its status is set inside."""
        timed, started = Timed(), time.monotonic()
        try:
            yield timed
        finally:
            taken = time.monotonic() - started
            self.requests.labels(path, str(timed.status)).observe(taken)

    def count(self, scored: Sequence[Scored]) -> None:
        for one in scored:
            self.responses.labels(one.kind or "valid").inc()
        self.tokens.inc(sum(one.tokens for one in scored))

    def batch(self, responses: int, seconds: float) -> None:
        self.batches.observe(responses)
        self.computing.inc(seconds)

    def report(self, error: Exception) -> None:
        """Print an error that nobody expected."""
        traceback.print_exception(error, file=sys.stderr)
