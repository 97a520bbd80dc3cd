"""The lock files are whole for every Python 3.11, not only for the one that runs here."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = tuple(sorted(path.name for path in ROOT.glob("requirements*.lock")))
PYTHONS = ("3.11.0", "3.11.2", "3.11.14")
"""The first, Debian 12's, and the image's."""


def locked(lock: str) -> set[str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def needed(package: str, python: str) -> set[str]:
    try:
        lines = requires(package) or []
    except PackageNotFoundError:  # of another Python, or of the benchmarks alone
        return set()
    found = [Requirement(line) for line in lines]
    environment = {"python_full_version": python, "python_version": "3.11", "extra": ""}
    return {canonicalize_name(one.name) for one in found if one.marker is None or one.marker.evaluate(environment)}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_its_packages_need(lock: str, python: str) -> None:
    names = locked(lock)
    lacks = {(package, need) for package in names for need in needed(package, python) - names}
    assert not lacks, f"Python {python}"
