"""An engine that runs nothing: stacks as values in this process, for tests of what calls engines.

It keeps the contract of ``Engine``, and the contract's test suite runs against it as against the
real ones. What may go wrong with the server is set in ``faults``; what people and accidents do to
its containers is done with ``hands``.
"""

from hosting.engines.memory.engine import MemoryEngine
from hosting.engines.memory.hands import Hands
from hosting.engines.memory.world import Faults

__all__ = ["Faults", "Hands", "MemoryEngine"]
