"""`python -m state.kernels`: compile all kernels and keep their machine code, for an install or an image.

`--check` fails if any had to be compiled, and so shows that other processes will find them.
"""

import argparse
import sys
from pathlib import Path

from state.kernels.cache import own_folder
from state.kernels.warming import warm


def main(arguments: list[str]) -> None:
    """Compile, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m state.kernels", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a kernel had to be compiled")
    options = parser.parse_args(arguments)
    warming = warm()
    done = warming.done
    sys.stdout.write(
        f"{done.loaded} kernels loaded, {done.compiled} compiled, {warming.seconds:.1f} s; they are kept in "
        f"{Path(__file__).parent / '__pycache__'} and {own_folder()}, as far as these can be written\n"
    )
    if options.check and warming.why:
        sys.exit(f"heliotrope: kernels had to be compiled: {warming.why}")


if __name__ == "__main__":
    main(sys.argv[1:])
