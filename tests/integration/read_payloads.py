"""Payloads read by SQL and in one pass, in a JVM of its own: run by `test_payloads.py`, which takes what this returns."""

import json
from typing import Any

from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes, StreamTableEnvironment

from jobs.flink.payloads import by_session, event_time
from jobs.streams.tables import INPUT_TYPE, RECORD_TYPE

PAYLOADS = [
    b'{"session_id": "s1", "timestamp": 1763770000000}',
    b'{"timestamp":1763770000000,"session_id":"s2","context":{"session_id":"other","timestamp":5}}',
    b'{"context": {"session_id": "other", "timestamp": 1763770000000}, "shown": ["session_id", {"timestamp": 7}]}',
    b'{"session_id": "first", "timestamp": 1, "session_id": "last", "timestamp": 1763770000001}',
    b'{"session_id": "first", "timestamp": 1, "session_id": null, "timestamp": null}',
    b'{"session_id": "", "timestamp": 0}',
    b'{"session_id": "s3", "timestamp": -1763770000000}',
    '{"session_id": "sitzung-ü-\\u00fc-\\ud83d\\ude00-😀", "timestamp": 1763770000002}'.encode(),
    b'{"session_id": "a\\"b\\\\c\\n", "timestamp": 1763770000003}',
    b'{"session_id": "s4", "timestamp": 99999999999999999999}',
    b'{"session_id": "s5", "timestamp": 9223372036854775807}',
    b'{"session_id": "s6", "timestamp": 32503680000000}',
    b'{"session_id": "s7", "timestamp": [1763770000000]}',
    b'{"session_id": {"a": 1}, "timestamp": {"b": 1763770000000}}',
    b'{"session_id": ["s8"], "timestamp": true}',
    b'{"session_id": "s9", "timestamp": 1763770000000',
    b'{"session_id": "s10", "timestamp": 1763770000000, "price": .5}',
    b'{"session_id": "s11", "timestamp": 1763770000000} and more',
    *(
        json.dumps({"session_id": f"0001-{number:012x}", "timestamp": number}).encode()
        for number in range(0, 4_000, 131)
    ),
    b'["session_id", "s12"]',
    b'"session_id"',
    b"17",
    b"null",
    b"",
    b"   ",
    b"\x00\x01\xff",
    b'{"session_id": "s13", "timestamp": 1763770000000, "deep": ' + b"[" * 900 + b"]" * 900 + b"}",
    json.dumps({"query": "x" * 60_000, "session_id": "s14", "timestamp": 1_763_770_000_000}).encode(),
]
"""On which both agree."""
ONLY_SQL = [
    (b'{"session_id": 17, "timestamp": "1763770000000"}', "17"),
    (b'{"session_id": true, "timestamp": " 1763770000000 "}', "true"),
]
"""What SQL made a text or a number of, although the event is refused for it: it belongs nowhere, and moves no time."""
ONLY_IN_ONE_PASS = [b'{"session_id": "s15", "timestamp": 1763770000000, "context": {"long": ' + b"7" * 4_000 + b"}}"]
"""What the limits of SQL's reader make nobody's, and the job's own reads."""
BUCKETS, SPREAD, MAX_FUTURE_MS, DELAY_MS = 8, 1_024, 300_000, 60_000

FIRST_OFFSET = 1_000
_TEXT = "CAST(payload AS STRING)"
_SESSION = f"COALESCE(JSON_VALUE({_TEXT}, '$.session_id'), CONCAT(CHR(0), CAST(MOD(`offset`, {SPREAD}) AS STRING)))"
_BUCKET = f"MOD(MOD(HASH_CODE({_SESSION}) / 8191, {BUCKETS}) + {BUCKETS}, {BUCKETS})"
_AT = f"TRY_CAST(JSON_VALUE({_TEXT}, '$.timestamp') AS BIGINT)"
_NOW = "UNIX_TIMESTAMP() * 1000"
_TIME = f"CASE WHEN {_AT} BETWEEN 1 AND {_NOW} + {MAX_FUTURE_MS} THEN LEAST({_AT}, {_NOW}) ELSE 0 END"


def read() -> str:
    """Return as JSON [bucket, session, time] of each payload by SQL; in one pass [bucket, session] of each; the time of each and of
    none."""
    environment = StreamExecutionEnvironment.get_execution_environment(Configuration())
    environment.set_parallelism(1)
    tables = StreamTableEnvironment.create(environment)
    payloads = [*PAYLOADS, *(payload for payload, _ in ONLY_SQL), *ONLY_IN_ONE_PASS]
    tables.create_temporary_view("events", _records(tables, payloads))
    sql = tables.sql_query(f"SELECT {_BUCKET}, {_SESSION}, CAST({_TIME} AS BIGINT) FROM events").execute()
    with sql.collect() as rows:
        expected = [list(row) for row in rows]
    stream = tables.to_append_stream(tables.sql_query("SELECT * FROM events"), RECORD_TYPE)
    with by_session(stream, BUCKETS, SPREAD, INPUT_TYPE).execute_and_collect() as rows:
        found = [[row[0], row[1]] for row in rows]
    return json.dumps([expected, found, _times([*payloads, None])])


def _records(tables: StreamTableEnvironment, payloads: list[bytes]) -> Any:
    names = ("payload", "origin_key", "partition", "offset", "record_ms")
    types = (DataTypes.BYTES(), DataTypes.BYTES(), DataTypes.INT(), DataTypes.BIGINT(), DataTypes.BIGINT())
    row = DataTypes.ROW([DataTypes.FIELD(*field) for field in zip(names, types, strict=True)])
    records = [(bytearray(payload), bytearray(b"k"), 3, FIRST_OFFSET + at, at) for at, payload in enumerate(payloads)]
    return tables.from_elements(records, row)


def _times(payloads: list[bytes | None]) -> list[int]:
    jvm = get_gateway().jvm
    loader = jvm.Thread.currentThread().getContextClassLoader()
    generator = event_time(1, MAX_FUTURE_MS, DELAY_MS).newInstance(loader)
    given = jvm.org.apache.flink.table.data.GenericRowData(2)
    times = []
    for payload in payloads:
        given.setField(1, payload)
        times.append(generator.currentWatermark(given) + DELAY_MS)
    return times
