"""The whole graph on finite files, in one process's JVM: run by `test_finite.py`, with the folder of the files.

Each source is a file of JSON lines, and hints are a clock that ends: while it ticks, windows of processing time close. Feedback
through topics ends open: what is written for session operators is not read again.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pyflink.common import Configuration
from pyflink.table import StreamTableEnvironment, Table

from jobs.personalize import build_graph, environment_for
from jobs.settings import load_settings
from jobs.streams.ends import Sinks, Source
from operators.redis.writers import Writers
from state.configuration import Settings
from state.profile.effect import Write
from state.session.hint import Hint

TICKS, TICKS_PER_SECOND = 60, 5
SETTINGS = (
    "kafka.bootstrap=none:1",
    "redis.url=redis://127.0.0.1:1/0",  # nobody answers there
    "flink.parallelism=1",
    "flink.checkpoint_interval=2 s",
    "popularity.window=10 s",
    "popularity.slide=10 s",
)
RECORD = "origin_key BYTES, payload BYTES, `partition` INT, `offset` BIGINT, record_time TIMESTAMP_LTZ(3)"
EVENT_TIME = """,
  rowtime AS TO_TIMESTAMP_LTZ(COALESCE(TRY_CAST(JSON_VALUE(CAST(payload AS STRING), '$.timestamp') AS BIGINT), 0), 3),
  WATERMARK FOR rowtime AS rowtime"""


class FileProfiles:
    """Profiles as lines of a file, in the place of `ProfileWriter`: whatever is written has arrived."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, session_id: str, write: Write, clicked_ms: int = 0) -> None:
        """Append a profile."""
        with self._path.open("ab") as file:
            file.write(write.profile + b"\n")

    def holds(self, session_id: str) -> bool:
        """Hold nothing back."""
        return False

    def have_arrived(self, session_ids: object) -> bool:
        """Have all of them in the file."""
        return True

    def ask(self, command: bytes, answered: object) -> bool:
        """Send no commands."""
        return False

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


class FileLists:
    """The regions' lists as lines of a file, in the place of `PopularWriter`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, lists: list[tuple[str, bytes]]) -> None:
        """Append lists."""
        with self._path.open("ab") as file:
            file.writelines(found + b"\n" for _, found in lists)

    def close(self) -> None:
        """Close nothing."""


def file_source(folder: Path, tables: StreamTableEnvironment, settings: Settings) -> Source:
    """Open the files `<name>.jsonl` of the folder."""

    def records(name: str, computed: str = "") -> Table:
        options = f"'connector' = 'filesystem', 'path' = '{(folder / name).as_uri()}.jsonl', 'format' = 'json'"
        iso = "'json.timestamp-format.standard' = 'ISO-8601'"
        tables.execute_sql(f"CREATE TEMPORARY TABLE {name} ({RECORD}{computed}) WITH ({options}, {iso})")
        return tables.from_path(name)

    named = {name: records(name) for name in Source._fields if name not in ("events", "products", "hints")}
    return Source(
        events=records("events", EVENT_TIME),
        products=records("products", ", arrived AS PROCTIME()"),
        hints=_clock(tables),
        **named,
    )


def _clock(tables: StreamTableEnvironment) -> Table:
    """Hints to a session that nobody has."""
    tables.execute_sql(
        f"""CREATE TEMPORARY TABLE clock (tick BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '{TICKS_PER_SECOND}',
  'fields.tick.kind' = 'sequence', 'fields.tick.start' = '1', 'fields.tick.end' = '{TICKS}')"""
    )
    return tables.sql_query(
        f"""SELECT ENCODE('nobody', 'UTF-8') AS origin_key, X'{Hint("nobody").encode().hex()}' AS payload, 0 AS `partition`,
  tick AS `offset`, CURRENT_TIMESTAMP AS record_time FROM clock"""
    )


def file_sinks(folder: Path, tables: StreamTableEnvironment, settings: Settings) -> Sinks:
    """Open a folder for each sink, of JSON lines."""

    def sink(name: str, columns: str = "k BYTES, v BYTES") -> str:
        options = f"'connector' = 'filesystem', 'path' = '{(folder / 'out' / name).as_uri()}', 'format' = 'json'"
        tables.execute_sql(f"CREATE TEMPORARY TABLE {name}_out ({columns}) WITH ({options})")
        return f"{name}_out"

    writers: Any = Writers(
        partial(_writer, FileProfiles, folder / "profiles.jsonl"), partial(_writer, FileLists, folder / "lists.jsonl")
    )
    return Sinks(
        log=sink("log", "topic STRING, k BYTES, v BYTES"),
        model=sink("model"),
        candidate_lists=sink("candidate_lists"),
        hints=sink("hints"),
        popularity=sink("popularity"),
        writers=writers,
    )


def _writer(made: Callable[[Path], Any], path: Path, *connection: object) -> Any:
    return made(path)


def main(folder: Path) -> None:
    """Run the job to its end."""
    settings = load_settings(None, SETTINGS, {})
    environment = environment_for(settings)
    own = Configuration()
    own.set_string("restart-strategy.type", "disable")  # a fault of the job's ends the test
    own.set_string("python.executable", sys.executable)
    environment.configure(own)
    build_graph(environment, settings, partial(file_source, folder), partial(file_sinks, folder))
    result = environment.execute("finite")
    sys.stdout.write(json.dumps({"job": str(result.get_job_id())}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
