"""The React hooks: their own tests under Node, and what would be published."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.clients.node import ROOT, install, locked, npm

CLIENT = ROOT / "clients" / "react"
PROJECTS = (CLIENT, ROOT / "examples" / "next-shop")


def manifest(project: Path) -> dict[str, Any]:
    return dict(json.loads((project / "package.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_locks_are_of_exact_versions_with_hashes_and_name_no_registry(project: Path) -> None:
    packages = {name: package for name, package in locked(project).items() if "node_modules/" in name}
    registries = {name for name, package in packages.items() if package.get("resolved", "").startswith("http")}
    assert registries == set()
    unhashed = {name for name, package in packages.items() if "integrity" not in package}
    assert unhashed <= {"node_modules/heliotrope-react"}
    wanted = manifest(project).get("dependencies", {}) | manifest(project).get("devDependencies", {})
    for name, version in wanted.items():
        assert version.startswith("file:") or re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} is not pinned"


def test_versions_go_with_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for folder in PROJECTS:
        assert manifest(folder)["version"] == project["version"]
        assert manifest(folder)["license"] == project["license"]


def test_the_hooks_under_node() -> None:
    install(CLIENT)
    done = npm(CLIENT, "test", seconds=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert re.search(r"^(#|ℹ) fail 0$", done.stdout, re.MULTILINE)


def test_the_archive_holds_the_module_and_types_of_every_entry() -> None:
    install(CLIENT)
    done = npm(CLIENT, "pack", "--dry-run", "--json", seconds=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (archive,) = json.loads(done.stdout[done.stdout.index("[") :])
    files = {file["path"] for file in archive["files"]}
    entries = [entry for entry in manifest(CLIENT)["exports"].values() if isinstance(entry, dict)]
    needed = {path.removeprefix("./") for entry in entries for path in entry.values()}
    assert files >= needed | {"README.md", "LICENSE", "package.json", "src/heliotrope.js"}
    assert {Path(path).parts[0] for path in files} == {"src", "types", "README.md", "LICENSE", "package.json"}
    module = ROOT / "serving" / "pages" / "static" / "heliotrope.js"
    assert (CLIENT / "src" / "heliotrope.js").read_bytes() == module.read_bytes()
