"""No access of the compiled core is wrong, whatever comes: a minute of fuzzing in checked mode, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

SECONDS, SEED = 60, 1
MOST_SECONDS = 1_800
"""All kernels are compiled anew for it, which takes some minutes of a busy machine."""


def test_no_access_is_wrong() -> None:
    """The output names the seed and the inputs: `make fuzz-kernels SECONDS=1 SEED=…` plays them again."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.state.core.fuzz", str(SECONDS), str(SEED)],
        env=os.environ | {"HELIOTROPE_CHECKED_KERNELS": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}"
