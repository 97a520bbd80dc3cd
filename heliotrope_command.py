"""The console command's door: a module of a name that no other project has.

`cli`, `state` and `conf` are names that many projects have. A folder of theirs on PYTHONPATH stands before the installed packages,
so with one set the command starts itself once more without it, before any of these is imported.
"""

import os
import sys

FOREIGN = ("PYTHONPATH", "PYTHONHOME")


def main() -> None:
    """Run the command with its own modules alone."""
    found = [name for name in FOREIGN if os.environ.pop(name, "")]
    if found:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # the same command
    from cli.main import main as run

    run()


if __name__ == "__main__":
    main()
