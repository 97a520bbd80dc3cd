"""`make fuzz`: atheris looks for bytes that make a reader raise what it must not, guided by what they reach.

python -m tests.fuzz [SECONDS] [SEED]
"""

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import state.kernels

try:
    import atheris
except ImportError:
    sys.exit("fuzz: atheris is not installed here (it has wheels for Linux on x86_64): nothing was fuzzed")

for kernels in pkgutil.iter_modules(state.kernels.__path__, "state.kernels."):
    importlib.import_module(kernels.name)  # before all else: compiled code cannot be watched

with atheris.instrument_imports(include=["state"]):
    from tests.fuzz.readers import GOOD, check


def one_input(data: bytes) -> None:
    """The first byte chooses the reader."""
    if data:
        check(data[0] % len(GOOD), data[1:])


def main() -> None:
    """Runs for so many seconds; what was found stands in the last lines, and the exit status is not 0."""
    seconds, seed = (*sys.argv[1:3], *("60", "21")[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory(prefix="heliotrope-fuzz-") as folder:
        for number, good in enumerate(GOOD):
            (Path(folder) / f"{number}").write_bytes(bytes((number,)) + good)
        limits = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=8192", "-timeout=10", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], folder, "-artifact_prefix=fuzz-", *limits], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
