"""A folder of another project, whose modules have the names of ours and of what we use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = (
    "cli",
    "state",
    "conf",
    "jobs",
    "operators",
    "serving",
    "redis",
    "msgspec",
    "proto",
    "pyflink",
    "pemja",
    "typer",
)


def make_foreign(folder: Path) -> Path:
    """The folder; whoever imports anything from it ends at once and says so."""
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise SystemExit('the {name} of another project was imported')\n")
    return folder


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Stands in the folder, with it on PYTHONPATH."""
    before, path = Path.cwd(), os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path
