"""Pinned jars: nothing unknown is run."""

import hashlib
from pathlib import Path

import pytest

from cli.errors import UserError
from cli.stack import jars


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of one jar, whose content is `right`."""
    path = tmp_path / "jars.lock"
    path.write_text(f"# comment\n\n{hashlib.sha256(b'right').hexdigest()}  org.example:thing:1.0\n")
    monkeypatch.setattr(jars, "LOCK", path)
    monkeypatch.setattr(jars, "read_lock", lambda: READ(path))
    return path


READ = jars.read_lock


def ignore(done: int, of: int, name: str) -> None:
    del done, of, name


def test_the_shipped_lock_names_broker_and_connector() -> None:
    locked = jars.read_lock()
    assert len(locked) == 46
    assert len({jar.filename for jar in locked}) == 46
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert [jar.coordinate for jar in locked if jar.is_connector] == [
        "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2"
    ]
    assert any(jar.coordinate == "org.apache.kafka:kafka_2.13:4.1.2" for jar in locked)


def test_a_jar_with_another_sum_is_refused(lock: Path, tmp_path: Path) -> None:
    where = tmp_path / "jars"
    where.mkdir()
    (where / "thing-1.0.jar").write_bytes(b"wrong")
    with pytest.raises(UserError, match=r"thing-1\.0\.jar has the SHA-256"):
        jars.fetch(ignore, where)
    with pytest.raises(UserError, match="heliotrope fetch"):
        jars.installed(where)


class Served:
    """In the place of jgo's context: serves `content` for every artifact."""

    content = b""

    def __init__(self, repo_cache: Path, timeout: int) -> None:
        del timeout
        self._path = repo_cache / "served.jar"
        self._path.write_bytes(self.content)

    def project(self, *_: str) -> "Served":
        return self

    at_version = artifact = project

    def resolve(self) -> Path:
        return self._path


def test_a_served_jar_with_another_sum_is_refused_and_not_installed(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jgo.maven.MavenContext", type("Wrong", (Served,), {"content": b"wrong"}))
    with pytest.raises(UserError, match="pinned is"):
        jars.fetch(ignore, tmp_path / "jars")
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_served_jar_with_its_sum_is_installed(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jgo.maven.MavenContext", type("Right", (Served,), {"content": b"right"}))
    told: list[tuple[int, int, str]] = []
    assert jars.fetch(lambda *news: told.append(news), tmp_path / "jars") == 1
    assert told == [(1, 1, "thing-1.0.jar")]
    assert jars.installed(tmp_path / "jars") == [tmp_path / "jars" / "thing-1.0.jar"]


def test_a_second_fetch_finds_all_there(lock: Path, tmp_path: Path) -> None:
    where = tmp_path / "jars"
    where.mkdir()
    (where / "thing-1.0.jar").write_bytes(b"right")
    assert jars.fetch(ignore, where) == 0
    assert jars.installed(where) == [where / "thing-1.0.jar"]


def test_missing_jars_name_the_fix(lock: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `heliotrope fetch`"):
        jars.installed(tmp_path / "nothing")


def test_another_lock_than_the_verified_one_asks_for_a_fetch(lock: Path, tmp_path: Path) -> None:
    where = tmp_path / "jars"
    where.mkdir()
    (where / "thing-1.0.jar").write_bytes(b"right")
    jars.fetch(ignore, where)
    lock.write_text(lock.read_text() + "# changed\n")
    with pytest.raises(UserError, match="heliotrope fetch"):
        jars.installed(where)
