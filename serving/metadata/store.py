"""Titles, prices, images and links of products in one SQLite file: one process of a host writes, all of them read."""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from state.catalogue.product import Product, safe_link

FORM = 1
MOST_IDS = 500
"""In one query; SQLite takes 32,766."""
CACHE_KIB = 8_192
SCHEMA = """
CREATE TABLE IF NOT EXISTS products (product_id TEXT PRIMARY KEY, round INTEGER NOT NULL, shown BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""


class Shown(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """Facts that a page shows of a product, as far as the shop says it."""

    title: str | None = None
    price: float | None = None
    image: str | None = None
    url: str | None = None


class Change(NamedTuple):
    """A product as it is from now on; `shown` is None if it was removed."""

    product_id: str
    shown: bytes | None


def change_of(product: Product) -> Change:
    """Return what a record of the topic changes."""
    shown = Shown(product.title, product.price, safe_link(product.image), safe_link(product.url))
    return Change(product.product_id, _encoder.encode(shown))


class Reader:
    """A reader of the file, in one thread. A file that is not there yet, or is made anew, is opened when it is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: sqlite3.Connection | None = None
        self._inode = 0

    def find(self, product_ids: Sequence[str]) -> dict[str, bytes]:
        """Return JSON of what is shown of those products that are known. Raises nothing: without the file none is."""
        try:
            file = self._open()
            found: dict[str, bytes] = {}
            for start in range(0, len(product_ids), MOST_IDS):
                part = product_ids[start : start + MOST_IDS]
                marks = ",".join("?" * len(part))
                query = f"SELECT product_id, shown FROM products WHERE product_id IN ({marks})"  # noqa: S608  # marks only
                found.update(file.execute(query, part))
            return found
        except (sqlite3.Error, OSError):
            self.close()
            return {}

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> sqlite3.Connection:
        inode = self._path.stat().st_ino
        if self._file is None or inode != self._inode:
            self.close()
            self._file = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=0.05)
            self._file.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            self._inode = inode
        return self._file


class Writer:
    """The one that keeps the file up to date, in one thread of one process. A file of another form, or a damaged one, is made anew.

    What a batch changes and up to where the topic was read are one transaction, so nothing is missed or lost by a crash.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        try:
            self._file = self._open()
        except sqlite3.DatabaseError:
            self._remove()
            self._file = self._open()
        self.round = int(self.fact("round") or 0)

    def positions(self) -> dict[int, int]:
        """Return for each partition the offset to go on from."""
        return dict(self._file.execute("SELECT partition, next FROM positions").fetchall())

    def fact(self, name: str) -> Any:
        """Return a fact that was kept of the topic, None if there is none."""
        row = self._file.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def begin_round(self, facts: dict[str, Any]) -> None:
        """Begin to read the topic anew: what is not met again until `end_round` is gone from it."""
        self.round += 1
        with self._file:
            self._file.execute("DELETE FROM positions")
            self._file.execute("DELETE FROM facts")
            self._keep({**facts, "form": FORM, "round": self.round})

    def apply(self, changes: Iterable[Change], positions: dict[int, int]) -> None:
        """Take a batch in, in the order of the topic."""
        latest = {change.product_id: change.shown for change in changes}
        removed = [(product_id,) for product_id, shown in latest.items() if shown is None]
        put = [(product_id, self.round, shown) for product_id, shown in latest.items() if shown is not None]
        with self._file:
            self._file.executemany("INSERT OR REPLACE INTO products VALUES (?, ?, ?)", put)
            self._file.executemany("DELETE FROM products WHERE product_id = ?", removed)
            self._file.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())

    def end_round(self, now_ms: int) -> None:
        """Note that all of the topic was read by now, and drop what it does not have any more."""
        with self._file:
            if self.fact("complete_round") != self.round:
                self._file.execute("DELETE FROM products WHERE round <> ?", (self.round,))
            self._keep({"complete_round": self.round, "complete_at_ms": now_ms})

    def count(self) -> int:
        """Return how many products are known."""
        return int(self._file.execute("SELECT count(*) FROM products").fetchone()[0])

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path, timeout=5, check_same_thread=False)
        try:
            file.execute("PRAGMA journal_mode=WAL")
            file.execute("PRAGMA synchronous=NORMAL")  # a power cut may take the last batches, positions included
            file.executescript(SCHEMA)
            row = file.execute("SELECT value FROM facts WHERE name = 'form'").fetchone()
            if row is not None and row[0] != FORM:
                raise sqlite3.DatabaseError("the file is of another release")
        except sqlite3.Error:
            file.close()
            raise
        return file

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _keep(self, facts: dict[str, Any]) -> None:
        self._file.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


_encoder = msgspec.json.Encoder()
