"""`python -m benchmarks.class_lists`: the classes that a stack's JVMs load, for `cli/stack/class_archives.py`.

A stack of its own starts without archives, gets events with impressions for a while, takes checkpoints and stops; each of its JVMs
notes what it loads. To be run again when Flink, Kafka or the job's operators change much: what the lists lack is loaded as without
an archive, and what they have too much is left out.
"""

import argparse
import gzip
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from benchmarks.soak.crowd import catalogue
from benchmarks.soak.load import Load
from cli.stack import class_archives, control, services, submit, supervisor
from cli.stack.class_archives import LISTS, NESTED
from jobs.settings import load_settings

SECONDS, RATE = 60.0, 50
JVMS = {"flink": ("taskmanager-1", "jobmanager", "flink-run"), "kafka": ("kafka", "kafka-format")}
UNPACKED = {name: f"/{Path(name).stem}" for name in NESTED}
"""How the file begins that Flink unpacks a jar within a jar to."""
LOADED = re.compile(r" klass: (\w+) super: (\w+)(?: interfaces: ([\w ]+?))? loader: \[(.*?)\] bytes:")
OF_JAVA = ("'bootstrap'", "ClassLoaders$AppClassLoader", "ClassLoaders$PlatformClassLoader")


class Names:
    """A list of classes in the form of -XX:SharedClassListFile, from those of several JVMs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._numbers: dict[str, int] = {}
        self._more: dict[str, None] = {}

    def add_list(self, lines: Iterable[str]) -> None:
        """Adds what a JVM has noted by -XX:DumpLoadedClassList."""
        for line in lines:
            if line.startswith("@"):
                self._more[line] = None
            elif not line.startswith("#"):
                self._add(line.split()[0], "")

    def add_nested(self, lines: Iterable[str]) -> None:
        """Adds classes of jars within jars, which only the log of a JVM has: with their parents by number, and their jar."""
        places: dict[str, int] = {}
        for name, source, match in _loaded(lines):
            address, parent, interfaces, loader = match[1], match[2], (match[3] or "").split(), match[4]
            if any(known in loader for known in OF_JAVA):
                if name in self._numbers:
                    places[address] = self._numbers[name]
                continue
            jar = next((jar for jar, begin in UNPACKED.items() if begin in source), None)
            if jar is None or any(each not in places for each in (parent, *interfaces)):
                continue
            numbers = " ".join(str(places[each]) for each in interfaces)
            related = f" super: {places[parent]}" + (f" interfaces: {numbers}" if numbers else "")
            places[address] = self._add(name, f"{related} source: {jar}")

    def _add(self, name: str, more: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._numbers) + 1
            self.lines.append(f"{name} id: {self._numbers[name]}{more}")
        return self._numbers[name]

    def write(self, target: Path) -> None:
        """Writes the list; the same classes give the same file."""
        text = "\n".join((*self.lines, *self._more)) + "\n"
        target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _loaded(lines: Iterable[str]) -> Iterator[tuple[str, str, re.Match[str]]]:
    """Name, source and the rest of each class in a log of -Xlog:class+load=debug, which has two lines for each."""
    before = ""
    for line in lines:
        match = LOADED.match(line)
        if match is not None and "$$Lambda" not in before:
            name, _, source = before.partition(" source: ")
            yield name.replace(".", "/"), source, match
        before = line


def merged(folder: Path, names: Iterable[str]) -> Names:
    """The classes of several JVMs together."""
    found, names = Names(), list(names)
    for name in names:
        found.add_list((folder / f"{name}.list").read_text(encoding="utf-8").splitlines())
    for name in names:
        found.add_nested((folder / f"{name}.log").read_text(encoding="utf-8").splitlines())
    return found


def _note_classes(folder: Path) -> None:
    """Lets each JVM that this process starts note its classes, and none start from an archive."""

    def options(name: str) -> tuple[str, ...]:
        log = f"-Xlog:class+load=debug:file={folder}/{name}.log:none:filecount=0"
        return (f"-XX:DumpLoadedClassList={folder}/{name}.list", log)

    vars(class_archives)["java_options"] = lambda name: ()
    plain, plain_client = services.java_command, services.flink_java_options

    def command(name: str, *arguments: Any) -> tuple[str, ...]:
        java, *rest = plain(name, *arguments)
        return (java, *options(name), *rest)

    vars(services)["java_command"] = command
    vars(submit)["flink_java_options"] = lambda layout: {
        key: value + (" " + " ".join(options("flink-run")) if key == "FLINK_ENV_JAVA_OPTS" else "")
        for key, value in plain_client(layout).items()
    }


def _train(workdir: Path, folder: Path) -> None:
    """A stack's life, from its start through events and checkpoints to a stop with a savepoint."""
    vars(control)["supervisor_command"] = lambda layout: [
        *(sys.executable, "-m", "benchmarks.class_lists"),
        *("--supervise", str(layout.root), "--notes", str(folder)),
    ]
    settings = load_settings(None, ["local.start_timeout=10 min"], environ={})
    try:
        record = control.start_stack(settings, workdir, lambda step: print(step.name, step.state, flush=True))
        producer = KafkaProducer(bootstrap_servers=record.kafka)
        for key, value in catalogue():
            producer.send("products", value, key.encode())
        producer.close()
        load = Load(record.kafka, record.redis, settings.redis.prefix, RATE, seed=1)
        load.start()
        time.sleep(SECONDS)
        load.close()
        control.stop_stack(workdir, keep_data=True)
    finally:
        control.stop_stack(workdir)


def main() -> None:
    """Trains, and writes the lists."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.class_lists", description=__doc__)
    parser.add_argument("--supervise", metavar="WORKDIR", help=argparse.SUPPRESS)
    parser.add_argument("--notes", type=Path, help="a folder of notes that were taken before, or that stays")
    options = parser.parse_args()
    if options.supervise:
        _note_classes(options.notes)
        sys.exit(supervisor.main(options.supervise))
    with tempfile.TemporaryDirectory(prefix="heliotrope-classes-") as scratch:
        notes = options.notes or Path(scratch)
        if not any(notes.glob("*.list")):
            notes.mkdir(parents=True, exist_ok=True)
            _train(Path(scratch) / "stack", notes)
        for archive, jvms in JVMS.items():
            names = merged(notes, jvms)
            names.write(LISTS / f"{archive}.txt.gz")
            print(f"{archive}: {len(names.lines)} classes")


if __name__ == "__main__":
    main()
