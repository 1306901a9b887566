"""What is counted of an app: the meters that every app has, and how a catalog file adds its own."""

from __future__ import annotations

from typing import Literal

from hosting.catalog.fields import Text
from hosting.catalog.strict import Strict

Aggregation = Literal["sum", "count", "max", "unique", "latest", "time_weighted"]

LLM = "llm"
"""Events of this type carry a model and its tokens; they are summed as the four meters below."""
LLM_METERS = ("llm_requests", "llm_input", "llm_output", "llm_cached")


class Meter(Strict):
    """How the events of one type become one number for a span of time.

    ``sum``, ``max`` and ``latest`` are of the events' amounts, ``count`` of the events themselves,
    ``unique`` of their different subjects. ``time_weighted`` is the mean of amounts that each hold
    until the next one.
    """

    title: Text
    unit: Text
    aggregation: Aggregation

    @property
    def is_level(self) -> bool:
        """Whether an amount says what is, and not what was added."""
        return self.aggregation in ("latest", "time_weighted")


BUILT_IN: dict[str, Meter] = {
    "executions": Meter(title="Executions", unit="executions", aggregation="sum"),
    "execution_seconds": Meter(title="Execution time", unit="s", aggregation="sum"),
    "llm_requests": Meter(title="LLM requests", unit="requests", aggregation="sum"),
    "llm_input": Meter(title="Input tokens", unit="tokens", aggregation="sum"),
    "llm_output": Meter(title="Output tokens", unit="tokens", aggregation="sum"),
    "llm_cached": Meter(title="Cached input tokens", unit="tokens", aggregation="sum"),
}
"""Known for every app. What events can be of is ``llm`` and the meters not named ``llm_...``."""
