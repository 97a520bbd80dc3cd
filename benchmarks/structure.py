"""How the code is laid out, in figures: `python -m benchmarks.structure [ROOT]`.

Counts the rooms of `state/` (its folders, and each loose file as a room of its own), their floors (how many rooms stand on each
other) and arrows (pairs of rooms of which one imports the other), and the longest file and function of all code but tests.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("jobs", "operators", "state", "cli")


class Structure(NamedTuple):
    """Counts; lengths are in lines."""

    rooms: int
    loose_files: int
    floors: int
    arrows: int
    in_circles: int
    longest_file: tuple[int, str]
    longest_function: tuple[int, str]


def room_of(module: str) -> str:
    """The room of a dotted name within `state`."""
    return module.split(".")[1]


def arrows(root: Path) -> dict[str, set[str]]:
    """By room of `state/` the other rooms that it imports."""
    modules = {path: ".".join(path.relative_to(root).with_suffix("").parts) for path in (root / "state").rglob("*.py")}
    names = {name.removesuffix(".__init__") for name in modules.values()}
    found: dict[str, set[str]] = {room_of(name): set() for name in names if "." in name}
    for path, name in modules.items():
        if "." not in name.removesuffix(".__init__"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found[room_of(name)] |= {room for room in _imported(node, names) if room != room_of(name)}
    return found


def _imported(node: ast.AST, names: set[str]) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "state":
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield room_of(whole if whole in names else node.module if "." in node.module else whole)
    elif isinstance(node, ast.Import):
        yield from (room_of(alias.name) for alias in node.names if alias.name.startswith("state."))


def floors(below: dict[str, set[str]]) -> tuple[dict[str, int], set[str]]:
    """The floor of each room, 1 for one that imports none, and the rooms that stand in a circle."""
    floor_of: dict[str, int] = {}
    circular: set[str] = set()

    def climb(room: str, path: tuple[str, ...]) -> int:
        if room in path:
            circular.update(path[path.index(room) :])
            return 0
        if room not in floor_of:
            floor_of[room] = 1 + max((climb(under, (*path, room)) for under in below.get(room, ())), default=0)
        return floor_of[room]

    for room in below:
        climb(room, ())
    return floor_of, circular


def lengths(root: Path) -> tuple[tuple[int, str], tuple[int, str]]:
    """The longest file and the longest function."""
    files: list[tuple[int, str]] = []
    functions: list[tuple[int, str]] = []
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            text, name = path.read_text(encoding="utf-8"), str(path.relative_to(root))
            files.append((len(text.splitlines()), name))
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    functions.append(((node.end_lineno or node.lineno) - node.lineno + 1, f"{name}:{node.name}"))
    return max(files), max(functions)


def structure(root: Path) -> Structure:
    """All counts of a checkout."""
    below = arrows(root)
    floor_of, circular = floors(below)
    loose = [path for path in (root / "state").glob("*.py") if path.name != "__init__.py"]
    count = sum(map(len, below.values()))
    return Structure(len(below), len(loose), max(floor_of.values()), count, len(circular), *lengths(root))


if __name__ == "__main__":
    for field, value in structure(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())._asdict().items():
        print(f"{field.replace('_', ' ')}: {value}")
