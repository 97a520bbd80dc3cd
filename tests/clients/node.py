"""Node for the tests that need it: a machine without it, or without its packages and a registry, skips them and says so."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LEAST_NODE = (20, 14)
INSTALL_SECONDS = 240
QUIET = {"NEXT_TELEMETRY_DISABLED": "1", "CI": "1", "FORCE_COLOR": "0"}


def environment(**more: str) -> dict[str, str]:
    """This process's environment with nothing sent home."""
    return {**os.environ, **QUIET, **more}


def require_node() -> None:
    """Skip the test if Node is not there, or is too old."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed here")
    version = subprocess.run(("node", "--version"), capture_output=True, text=True, check=True, timeout=60).stdout
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if found < LEAST_NODE:
        pytest.skip(f"Node is {version.strip()}, the tests need {'.'.join(map(str, LEAST_NODE))}")


def install(project: Path) -> None:
    """Install what the lock file names, unless it is there; skip the test if that is not to be had."""
    require_node()
    stamp = project / "node_modules" / ".package-lock.json"
    lock = project / "package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    try:
        done = npm(project, "ci", "--prefer-offline", "--fetch-retries=1", seconds=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm ci was not done in {INSTALL_SECONDS} s in {project.relative_to(ROOT)}")
    if done.returncode:
        pytest.skip(f"npm ci fails in {project.relative_to(ROOT)}: {done.stderr.strip()[-300:]}")


def npm(project: Path, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """One call of npm in a project."""
    return subprocess.run(
        ("npm", *arguments), cwd=project, env=environment(), capture_output=True, text=True, timeout=seconds
    )


def locked(project: Path) -> dict[str, dict[str, Any]]:
    """The packages of a lock file by their place below the project."""
    tree = json.loads((project / "package-lock.json").read_text(encoding="utf-8"))
    return dict(tree["packages"])
