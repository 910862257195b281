"""The whole program, containers and all, to be killed: `python -m tests.faults.contained POINT TIMES run ...`."""

from __future__ import annotations

import sys

import pytest

from evolve.cli import main
from tests.faults import points

if __name__ == "__main__":
    _, point, times, *rest = sys.argv
    if point:
        points.install(pytest.MonkeyPatch(), point, int(times))
    sys.argv = ["evolve", *rest]
    main()
