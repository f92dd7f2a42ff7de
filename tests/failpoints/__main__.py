"""`python -m tests.failpoints`: each point struck once, then in pairs; the last line is one JSON object."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from tests.failpoints.command import main

    sys.exit(main())
