"""The last step of an install: archives of classes for the JVMs that `up` starts."""

from pathlib import Path

from cli.stack import class_archives, flink_conf, jars
from cli.stack.class_archives import Archive
from cli.stack.services import kafka_class_path


def make_class_archives() -> bool:
    """Make those that are missing; return whether any was.

    Raises:
        UserError: one could not be made; `up` works without.
    """
    found = jars.installed()
    connectors = jars.connectors(found)
    broker = [jar for jar in found if jar not in connectors]

    def archives(lib: Path) -> list[Archive]:
        return [Archive("flink", flink_conf.class_path(lib)), Archive("kafka", kafka_class_path(broker))]

    return class_archives.make(lambda lib: flink_conf.link_jars(lib, connectors), archives)
