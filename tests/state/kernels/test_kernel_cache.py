"""Machine code is kept for other processes: they find it, also where nothing can be written, and nothing in it can end them."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import state.kernels.cache
from state.kernels.cache import RELEASES_KEPT, Compilation, is_complete, kernel_sources, note_complete
from state.kernels.warming import Warming

HERE = Path(state.kernels.cache.__file__).parent
KERNEL = """
from state.kernels.compiled import compiled

@compiled
def inner(x):
    return x + {constant}

@compiled
def outer(x):
    return inner(x) * 2
"""
RUN = """
import sys
from state.kernels.cache import compilation
from state.kernels.kernel import outer
outer(1)
print(*compilation())
"""


class Tree:
    """The modules that keep machine code, with a kernel of two functions, in a folder of their own."""

    def __init__(self, root: Path) -> None:
        self.root, self.kernels, self.own = root, root / "state" / "kernels", root / "caches"
        self.kernels.mkdir(parents=True)
        for package in (self.kernels.parent, self.kernels):
            (package / "__init__.py").touch()
        for name in ("compiled.py", "cache.py"):
            shutil.copy(HERE / name, self.kernels)
        shutil.copy(HERE.parent / "feature_set.py", self.kernels.parent)
        self.write(1)

    def write(self, constant: int) -> None:
        (self.kernels / "kernel.py").write_text(KERNEL.format(constant=constant))

    def run(self, **environment: str) -> Compilation:
        """What another process loads and compiles."""
        done = subprocess.run(
            [sys.executable, "-c", RUN],
            cwd=self.root,
            env={**os.environ, "NUMBA_CACHE_DIR": str(self.own), **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return Compilation(*map(int, done.stdout.split()))

    @property
    def beside(self) -> Path:
        return self.kernels / "__pycache__"

    def files(self) -> list[Path]:
        """All machine code and its indexes."""
        return [file for folder in (self.beside, self.own) for file in folder.rglob("*.nb?")]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


COMPILED = Compilation(compiled=2)
LOADED = Compilation(loaded=1)
"""The outer kernel has the inner one in it."""


def test_a_second_process_compiles_nothing(tree: Tree) -> None:
    assert tree.run() == COMPILED
    assert tree.run() == LOADED


def test_what_an_install_has_compiled_is_found_where_nothing_can_be_written(tree: Tree) -> None:
    tree.run()
    shutil.rmtree(tree.own)
    tree.own.write_text("no folder can be made here")
    tree.beside.chmod(0o555)
    assert tree.run() == LOADED


def test_a_process_that_can_keep_nothing_compiles_and_lives(tree: Tree) -> None:
    tree.own.write_text("no folder")
    shutil.rmtree(tree.beside, ignore_errors=True)
    tree.beside.write_text("no folder")
    assert tree.run() == Compilation(compiled=2, broken=4, unwritten=2)


def test_a_job_unpacked_anew_finds_what_its_machine_compiled_before(tree: Tree, tmp_path: Path) -> None:
    assert tree.run() == COMPILED
    again = Tree(tmp_path / "unpacked-again")
    assert again.run(NUMBA_CACHE_DIR=str(tree.own)) == LOADED


def test_another_kind_of_processor_compiles_once_and_says_so(tree: Tree) -> None:
    tree.run()
    other = {"NUMBA_CPU_NAME": "generic"}
    found = tree.run(**other)
    assert found == Compilation(compiled=2, foreign=2)
    assert "another kind of processor" in Warming(found, 1.0).why
    assert tree.run(**other) == LOADED
    assert tree.run() == LOADED, "both kinds are kept next to each other"


@pytest.mark.parametrize("kept", [b"", b"\x80\x04cut off"], ids=["empty", "cut off"])
def test_files_that_a_crash_left_broken_are_compiled_anew_and_replaced(tree: Tree, kept: bytes) -> None:
    tree.run()
    for file in tree.files():
        file.write_bytes(kept)
    found = tree.run()
    assert (found.loaded, found.compiled, found.broken > 0) == (0, 2, True)
    assert "cannot be read" in Warming(found, 1.0).why


def test_only_the_newest_states_of_the_sources_are_kept_for_a_user(tree: Tree) -> None:
    releases = tree.own / "heliotrope" / "kernels"
    for number in range(RELEASES_KEPT + 2):
        (releases / f"{number}").mkdir(parents=True)
        os.utime(releases / f"{number}", (number, number))
    assert tree.run() == COMPILED
    assert len(list(releases.iterdir())) == RELEASES_KEPT
    assert not (releases / "0").exists(), "the oldest goes first"
    assert tree.run() == LOADED


def test_kernels_are_made_from_nothing_that_the_stamp_does_not_know() -> None:
    """A constant of another module would stay in machine code that was kept before it changed."""
    root = HERE.parent.parent
    known = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in kernel_sources()
    }
    imports = {
        (path.name, node.module)
        for path in kernel_sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("state")
    }
    assert imports, "kernels import each other"
    strangers = {(name, module) for name, module in imports if module not in known}
    assert strangers == set()


def test_that_all_kernels_are_kept_is_noted_for_these_sources_and_this_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state.kernels.cache, "_complete_file", lambda: tmp_path / "complete")
    assert not is_complete()
    note_complete()
    assert is_complete()
    monkeypatch.setattr(state.kernels.cache, "SOURCES_STAMP", "other sources")
    assert not is_complete()
    (tmp_path / "complete").write_bytes(b"\xff cut off")
    assert not is_complete()


def test_nothing_is_said_of_kernels_that_were_all_loaded() -> None:
    assert Warming(Compilation(loaded=14), 0.4).why == ""


def test_where_nothing_can_be_written_it_is_said_that_each_process_compiles() -> None:
    why = Warming(Compilation(compiled=3, unwritten=3), 30.0).why
    assert "python -m state.kernels" in why
    assert "each process compiles" in why
