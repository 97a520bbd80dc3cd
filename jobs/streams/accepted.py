"""The accepted events as SQL tables: what popularity, companions and users are counted from."""

from pyflink.datastream import DataStream
from pyflink.table import Schema, StreamTableEnvironment

_FIELD = "CHR(31)"


def create_accepted_view(tables: StreamTableEnvironment, records: DataStream) -> None:
    """The views `records` and `accepted` over the session operator's output.

    `accepted` has a row for each product of an event: rowtime (event time, or that of another event in the same slide of
    popularity's windows), arrived (processing time), second (the event's time in s since the epoch), event_type, region,
    product_id, category_id, user_hash, moment and companions; the last two are lists, separated by CHR(29). What is not known is
    empty. See `state/events/accepted.py`.
    """
    schema = (
        Schema.new_builder()
        .column_by_expression("arrived", "PROCTIME()")
        .column_by_expression(
            "rowtime", f"TO_TIMESTAMP_LTZ(COALESCE(TRY_CAST(SPLIT_INDEX(f6, {_FIELD}, 0) AS BIGINT), 0), 3)"
        )
        .watermark("rowtime", "SOURCE_WATERMARK()")
        .build()
    )
    tables.create_temporary_view("records", records, schema)
    fields = ("event_type", "region", "product_id", "category_id", "user_hash", "moment", "companions")
    columns = ", ".join(f"SPLIT_INDEX(line, {_FIELD}, {at}) AS {name}" for at, name in enumerate(fields, start=1))
    second = f"CAST(TRY_CAST(SPLIT_INDEX(line, {_FIELD}, 0) AS BIGINT) / 1000 AS STRING)"
    told = "(SELECT rowtime, arrived, f6 FROM records WHERE f6 IS NOT NULL)"  # alone: a row is some kilobytes
    tables.execute_sql(
        f"""CREATE TEMPORARY VIEW accepted AS SELECT rowtime, arrived, {second} AS `second`, {columns}
FROM {told} CROSS JOIN UNNEST(SPLIT(f6, CHR(30))) AS lines (line)"""
    )
