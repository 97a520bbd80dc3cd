"""Who may import whom: docs and comments say it, this holds it. Read from the sources, so imports inside functions count too."""

import ast
import sys
from collections.abc import Collection, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = frozenset({"benchmarks", "cli", "conf", "jobs", "operators", "serving", "state", "tests"})
# Of our own packages, which each may import besides itself. `conf` holds files and no code.
MAY_IMPORT = {
    "state": frozenset(),
    "operators": frozenset({"state"}),
    "jobs": frozenset({"operators", "state", "conf"}),
    "serving": frozenset({"jobs", "operators", "state", "conf"}),
    "cli": frozenset({"serving", "jobs", "operators", "state", "conf"}),
}
PURE = frozenset({"numpy", "msgspec", "numba", "llvmlite", "river"})
# The rooms of `state/` by floor, the lowest first. A room imports lower floors only, never a sibling on its own.
FLOORS = (
    ("configuration", "feature_set", "codec", "decay", "events", "journal"),
    ("kernels", "popularity", "together"),
    ("catalogue", "model"),
    ("policy", "session"),
    ("candidates", "users"),
    ("choosing",),
    ("profile",),
    ("personalizer",),
    ("core", "explaining"),
)
MOST_LOOSE_FILES = 5
CHECKED = "state/kernels/core/memory.py"
"""Asks whether kernels are compiled so that every access is checked, which only tests do."""


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the top-level name of everything that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            name = path.relative_to(ROOT).parts[0] if node.level else (node.module or "")
            yield node.lineno, name.partition(".")[0]
        elif isinstance(node, ast.Call) and _is_dynamic(node.func):
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield node.lineno, argument.value.partition(".")[0]


def _is_dynamic(function: ast.expr) -> bool:
    """Whether a call is `import_module(…)` or `__import__(…)`."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def offences(package: str, allowed: frozenset[str]) -> list[str]:
    """The imports of our own packages that a package may not have, as `file:line: name`."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources(package)
        for line, name in imported(path)
        if name in OURS and name != package and name not in allowed
    ]


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_layers_import_downwards_only(package: str) -> None:
    assert sources(package), f"{package}/ has no sources: is the path right?"
    assert offences(package, MAY_IMPORT[package]) == []


def rooms_imported(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the room of every import of `state` in a module of it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "state":
            rest = node.module.split(".")[1:]
            yield from ((node.lineno, room) for room in (rest[:1] or [alias.name for alias in node.names]))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("state."):
                    yield node.lineno, alias.name.split(".")[1]


def room_of(path: Path) -> str:
    """The room of `state/` that a module is in; a loose file is one of its own."""
    return path.relative_to(ROOT / "state").parts[0].removesuffix(".py")


def test_rooms_of_the_core_import_lower_floors_only() -> None:
    floor_of = {room: number for number, floor in enumerate(FLOORS, start=1) for room in floor}
    modules = [path for path in sources("state") if path != ROOT / "state" / "__init__.py"]
    assert {room_of(path) for path in modules} == floor_of.keys()
    found = [
        f"{path.relative_to(ROOT)}:{line}: {room}"
        for path in modules
        for line, room in rooms_imported(path)
        if room != room_of(path) and floor_of[room] >= floor_of[room_of(path)]
    ]
    assert found == []


def module_of(path: Path) -> str:
    """The dotted name of a module of ours."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules_imported(path: Path, ours: Collection[str]) -> set[str]:
    """Which of our modules a module imports: wherever in it, and for types only too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= set(ours) else {*names, node.module}
    return (found & set(ours)) - {module_of(path)}


def first_circle(packages: Iterable[str]) -> list[str]:
    """Modules that import each other in a circle, empty where there is none."""
    paths = {module_of(path): path for package in packages for path in sources(package)}
    graph = {name: modules_imported(path, paths.keys()) for name, path in paths.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert first_circle(MAY_IMPORT) == []


def test_a_circle_for_types_only_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_imports.ROOT", tmp_path)
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "a.py").write_text("from cli import b\n")
    (tmp_path / "cli" / "b.py").write_text("if TYPE_CHECKING:\n    from cli.c import D\n")
    (tmp_path / "cli" / "c.py").write_text("def f():\n    import cli.a\n")
    assert set(first_circle(["cli"])) == {"cli.a", "cli.b", "cli.c"}


def test_few_files_lie_loose_in_the_core() -> None:
    loose = [path.name for path in (ROOT / "state").glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= MOST_LOOSE_FILES, loose


def test_the_core_is_pure() -> None:
    allowed = PURE | sys.stdlib_module_names | {"state"}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources("state")
        for line, name in imported(path)
        if name not in allowed
    ]
    assert found == []


def test_only_settings_and_secrets_read_the_environment() -> None:
    """In the job; `cli` starts processes and gives them an environment."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("state", "operators", "jobs")
        for path in sources(package)
        if path.relative_to(ROOT).as_posix() not in ("jobs/settings.py", "jobs/secrets.py", CHECKED)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert found == []


def test_the_reader_sees_every_form_of_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_imports.ROOT", tmp_path)
    module = tmp_path / "state" / "module.py"
    module.parent.mkdir()
    module.write_text(
        "import cli.stack as a, redis\nfrom jobs.settings import b\nfrom . import c\n"
        "def f():\n    from pyflink.common import d\n    import_module('kafka.admin')\n"
    )
    assert [name for _, name in sorted(imported(module))] == ["cli", "redis", "jobs", "state", "pyflink", "kafka"]
    assert offences("state", frozenset()) == ["state/module.py:1: cli", "state/module.py:2: jobs"]
