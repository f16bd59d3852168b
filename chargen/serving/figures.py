"""What a server counts of itself, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Figures:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made = {"namespace": "chargen", "registry": self.registry}
        self.requests = Counter("requests", "Requests answered.", ("path", "status"), **made)  # type: ignore[arg-type]  # names of arguments
        self.characters = Counter("characters", "Characters written.", **made)  # type: ignore[arg-type]
        self.first = Histogram(
            "first_character_seconds",
            "Wait for the first character.",
            buckets=SECONDS,
            **made,  # type: ignore[arg-type]
        )
        self.texts = Gauge("texts", "Texts being written, or waiting.", **made)  # type: ignore[arg-type]

    def text(self) -> bytes:
        """Return them in Prometheus's form."""
        return generate_latest(self.registry)
