"""What the selectors of metrics have in common: families of Prometheus, and ages."""

from __future__ import annotations

from datetime import datetime

from prometheus_client.core import GaugeMetricFamily

MIB, GIB = 1024**2, 1024**3


def gauge(
    name: str, what: str, *labels: str, value: float | None = None, unit: str = ""
) -> GaugeMetricFamily:
    """A metric that goes up and down; its one value, or its labels."""
    return GaugeMetricFamily(f"berth_{name}", what, value=value, labels=labels or None, unit=unit)


def seconds_since(at: datetime | None, now: datetime) -> float:
    """How long ago that was; 0 where it never was or is still to come."""
    return max(0.0, (now - at).total_seconds()) if at else 0.0
