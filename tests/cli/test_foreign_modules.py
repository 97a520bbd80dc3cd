"""Modules of other projects, on PYTHONPATH or in the current folder, are never imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack.layout import Layout, source_root
from cli.stack.plan import supervisor_command, supervisor_environment
from cli.stack.services import child_environment
from tests.foreign import beside, make_foreign

ROOT = Path(__file__).parents[2]
IMPORT_ALL = (
    "import cli, state, conf, jobs, operators; print(*(m.__path__[0] for m in (cli, state, conf, jobs, operators)))"
)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    return make_foreign(tmp_path / "foreign")


def run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_folder_is_foreign(foreign: Path) -> None:
    done = run([sys.executable, "-c", "import cli"], foreign, {**os.environ, "PYTHONPATH": str(foreign)})
    assert "another project" in done.stderr


@pytest.mark.parametrize(("arguments", "status", "said"), [(["--help"], 0, "Usage"), (["status"], 3, "no stack runs")])
def test_the_command_imports_its_own_modules(foreign: Path, arguments: list[str], status: int, said: str) -> None:
    command = [sys.executable, str(ROOT / "heliotrope_command.py"), *arguments]
    workdir = {"HELIOTROPE_LOCAL__WORKDIR": str(foreign / "work")}
    done = run(command, foreign, {**os.environ, **workdir, "PYTHONPATH": str(foreign)})
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr


def test_the_console_script_goes_through_the_door() -> None:
    assert 'heliotrope = "heliotrope_command:main"' in (ROOT / "pyproject.toml").read_text()


def test_the_supervisor_imports_its_own_modules(foreign: Path) -> None:
    with beside(foreign):
        environment = supervisor_environment(source_root())
    done = run([sys.executable, "-c", IMPORT_ALL], foreign, environment)
    assert {Path(path).parent for path in done.stdout.split()} == {ROOT}, done.stderr
    done = run([*supervisor_command(Layout(foreign / "work"))[:3], "--help"], foreign, environment)
    assert "another project" not in done.stderr


def test_flinks_processes_import_no_foreign_modules(foreign: Path) -> None:
    base = {"PYTHONPATH": str(foreign), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "x", "PATH": os.environ["PATH"]}
    environment = child_environment(Path("/java"), Layout(foreign / "work"), base)
    environment["TMPDIR"] = str(foreign)
    done = run([sys.executable, "-c", IMPORT_ALL], foreign, environment)
    assert {Path(path).parent for path in done.stdout.split()} == {ROOT}, done.stderr
