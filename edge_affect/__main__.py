"""``python -m edge_affect`` is the command ``edge-affect``."""

from __future__ import annotations

import sys

from edge_affect.cli import main

if __name__ == "__main__":
    sys.exit(main())
