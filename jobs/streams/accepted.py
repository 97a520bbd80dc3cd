"""The session operator's records and its accepted events as tables: what popularity, partners and users are counted from."""

from pyflink.datastream import DataStream
from pyflink.table import Schema, StreamTableEnvironment, Table

_FIELD = "CHR(31)"


def records_table(tables: StreamTableEnvironment, records: DataStream) -> Table:
    """Return the session operator's output as a table.

    Besides the columns of OUTPUT_TYPE it has arrived (processing time) and rowtime (event time of the accepted events, or that of
    another event in the same slide of popularity's windows).
    """
    rowtime = f"TO_TIMESTAMP_LTZ(COALESCE(TRY_CAST(SPLIT_INDEX(accepted, {_FIELD}, 0) AS BIGINT), 0), 3)"
    schema = (
        Schema.new_builder()
        .column_by_expression("arrived", "PROCTIME()")
        .column_by_expression("rowtime", rowtime)
        .watermark("rowtime", "SOURCE_WATERMARK()")
        .build()
    )
    return tables.from_data_stream(records, schema)


def accepted_events(tables: StreamTableEnvironment, records: Table) -> Table:
    """Return a row for each product of an accepted event, from `records_table`.

    The columns are rowtime, arrived, second (the event's time in s since the epoch), event_type, region, product_id, category_id,
    user_hash, moment and companions. The last two are lists, separated by CHR(29). What is not known is empty. See
    `state/events/accepted.py`.
    """
    fields = ("event_type", "region", "product_id", "category_id", "user_hash", "moment", "companions")
    columns = ", ".join(f"SPLIT_INDEX(line, {_FIELD}, {at}) AS {name}" for at, name in enumerate(fields, start=1))
    second = f"CAST(TRY_CAST(SPLIT_INDEX(line, {_FIELD}, 0) AS BIGINT) / 1000 AS STRING)"
    narrow = f"(SELECT rowtime, arrived, accepted FROM {records} WHERE accepted IS NOT NULL)"  # a row is some kilobytes
    return tables.sql_query(
        f"""SELECT rowtime, arrived, {second} AS `second`, {columns}
FROM {narrow} CROSS JOIN UNNEST(SPLIT(accepted, CHR(30))) AS lines (line)"""
    )
