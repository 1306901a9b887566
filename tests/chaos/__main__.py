"""``python -m tests.chaos <program>``: break an installation of Berth on purpose.

Without arguments it says what there is. Each program starts a PostgreSQL, a Redis and workers of
its own, needs a Docker Engine, prints a report, and ends with 0 where everything held.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> int:
    # The private services' classes are scripts' modules, outside of the project's packages.
    sys.path.insert(0, str(Path(__file__).parents[2] / "deploy" / "local"))
    program = importlib.import_module("tests.chaos.program")
    return int(program.run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
