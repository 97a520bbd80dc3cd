"""What the job's SQL tables have in common: options of Kafka's connector, a record's metadata, intervals."""

from py4j.protocol import Py4JError
from pyflink.java_gateway import get_gateway

from jobs.secrets import kafka_graph_properties
from state.configuration import Settings

FILE_PROVIDER = "org.apache.kafka.common.config.provider.FileConfigProvider"
METADATA = """
  `partition` INT METADATA VIRTUAL,
  `offset` BIGINT METADATA VIRTUAL,
  record_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL"""
_RECORD_S = "CAST(TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(0, 3), record_time) AS BIGINT)"
RECORD_MS = f"{_RECORD_S} * 1000 + EXTRACT(MILLISECOND FROM record_time)"
"""A record's Kafka time in ms since the epoch, in a table with `METADATA`."""


def interval(duration_ms: int) -> str:
    """Return a duration as SQL has it."""
    seconds, ms = divmod(duration_ms, 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"INTERVAL '{days} {hours:02}:{minutes:02}:{seconds:02}.{ms:03}' DAY TO SECOND(3)"


def remainder(number: str, of: str | int) -> str:
    """Return a number modulo another, never negative, as hashes may be."""
    return f"MOD(MOD({number}, {of}) + {of}, {of})"


SILENT_FETCH_MS = 1_000
"""How long a broker may keep a request for records open while there are none; what comes is sent at once. With Kafka's usual 500 ms
each topic that is silent costs both ends two requests a second; but a consumer that closes waits for its open request, and with it
a job that ends or starts again."""


def source_options(settings: Settings, topic: str, start: str | int) -> dict[str, str]:
    """Return a source of raw keys (`origin_key`) and values, from `earliest`, `latest` or a time in ms."""
    found = {"properties.fetch.max.wait.ms": str(SILENT_FETCH_MS)} | _common(settings, topic)  # yours is stronger
    found |= {
        "key.format": "raw",
        "key.fields": "origin_key",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
        "properties.group.id": settings.kafka.group,
        "properties.isolation.level": "read_committed",
        "scan.topic-partition-discovery.interval": "60 s",
    }
    if isinstance(start, int):
        return found | {"scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": str(start)}
    mode = "latest-offset" if start == "latest" else "earliest-offset"
    return found | {"scan.startup.mode": mode}


def sink_options(settings: Settings, topic: str) -> dict[str, str]:
    """Return a sink of raw keys (`k`) and values."""
    return _common(settings, topic) | {
        "key.format": "raw",
        "key.fields": "k",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
        "properties.max.request.size": "2097152",
    }


def options(found: dict[str, str]) -> str:
    """Return what stands behind WITH."""
    return ", ".join(f"'{_quoted(key)}' = '{_quoted(value)}'" for key, value in found.items())


def _common(settings: Settings, topic: str) -> dict[str, str]:
    provider = _file_provider() if settings.kafka.properties_file else ""
    properties = {f"properties.{key}": value for key, value in kafka_graph_properties(settings, provider).items()}
    return {"connector": "kafka", "topic": topic, "properties.bootstrap.servers": settings.kafka.bootstrap} | properties


def _file_provider() -> str:
    """Kafka's reader of files by the name that it has in the connector: one for SQL carries Kafka under a name of its own."""
    loader = get_gateway().jvm.Thread.currentThread().getContextClassLoader()
    try:
        loader.loadClass(FILE_PROVIDER)
    except (Py4JError, AttributeError):  # not there, or there is no loader to ask
        return f"org.apache.flink.kafka.shaded.{FILE_PROVIDER}"
    return FILE_PROVIDER


def _quoted(text: str) -> str:
    return text.replace("'", "''")
