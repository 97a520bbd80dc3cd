"""What is made of a start's latencies, and of the classes that JVMs noted."""

import gzip
from pathlib import Path

from benchmarks.class_lists import merged
from benchmarks.starting import figures

LIST = "# a comment\njava/lang/Object id: 0\njava/lang/Runnable id: 1\n@lambda-proxy one\n"
OTHER_LIST = "java/lang/Object id: 0\nown/Main id: 1\n@lambda-proxy one\n@lambda-proxy two\n"
BOOT = "loader: [loader data: 0x1 of 'bootstrap'] bytes: 9 checksum: 1"
INNER = "loader: [loader data: 0x2 for instance a 'some/SubmoduleClassLoader'{0x3}] bytes: 9 checksum: 2"
LOG = f"""java.lang.Object source: jrt:/java.base
 klass: 0xa super: 0x0 {BOOT}
java.lang.Runnable source: jrt:/java.base
 klass: 0xb super: 0xa {BOOT}
inner.Parent source: file:/tmp/flink-rpc-akka123.jar
 klass: 0xc super: 0xa interfaces: 0xb {INNER}
inner.Child source: file:/tmp/flink-rpc-akka123.jar
 klass: 0xd super: 0xc {INNER}
inner.Orphan source: file:/tmp/flink-rpc-akka123.jar
 klass: 0xe super: 0x99 {INNER}
Generated$1 source: __JVM_DefineClass__
 klass: 0xf super: 0xa {INNER}
"""


def test_percentiles_are_of_all_events_and_of_each_slice() -> None:
    found = figures([[0.2] * 10, [0.01] * 90, []], missing=3)
    assert (found["p50"], found["p99"], found["events"], found["missing"]) == (10.0, 200.0, 100, 3)
    assert [some.get("p50") for some in found["by_slice"]] == [200.0, 10.0, None]


def test_lists_of_several_jvms_name_a_class_once_and_those_of_inner_jars_by_their_parents(tmp_path: Path) -> None:
    for name, listed, log in (("one", LIST, LOG), ("two", OTHER_LIST, LOG)):
        (tmp_path / f"{name}.list").write_text(listed)
        (tmp_path / f"{name}.log").write_text(log)
    merged(tmp_path, ["one", "two"]).write(tmp_path / "all.gz")
    assert gzip.decompress((tmp_path / "all.gz").read_bytes()).decode().splitlines() == [
        "java/lang/Object id: 1",
        "java/lang/Runnable id: 2",
        "own/Main id: 3",
        "inner/Parent id: 4 super: 1 interfaces: 2 source: flink-rpc-akka.jar",
        "inner/Child id: 5 super: 4 source: flink-rpc-akka.jar",
        "@lambda-proxy one",
        "@lambda-proxy two",
    ]
