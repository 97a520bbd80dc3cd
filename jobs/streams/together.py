"""What is bought and viewed together, from the accepted events to lists of partners in their topic."""

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment, Table

from jobs.flink.jvm import keyed_in_jvm
from jobs.flink.sql import interval
from operators.build import BUILD_ID
from operators.names import TOGETHER
from operators.together import LIST_TYPE, TogetherOperator
from state.configuration import Settings
from state.together.tally import BOUGHT, VIEWED

LINES_TYPE = Types.ROW([Types.STRING(), Types.OBJECT_ARRAY(Types.STRING())])
"""Row(shard, lines)."""


def together_stream(tables: StreamTableEnvironment, settings: Settings, accepted: Table) -> DataStream:
    """Return lists of partners as LIST_TYPE, from the accepted events."""
    lines = keyed_in_jvm(lines_stream(tables, settings, accepted))  # (shard, lines)
    lists = lines.process(TogetherOperator(settings.together, BUILD_ID), LIST_TYPE)
    return lists.name(TOGETHER).uid(TOGETHER)  # Row(key, value)


def lines_stream(tables: StreamTableEnvironment, settings: Settings, accepted: Table) -> DataStream:
    """Return what was accepted in each gather, by shard, as LINES_TYPE: a line is time in s, product, and the products that go with
    it.

    A line for each product of an event, not a row for each pair: taking pairs apart is the cheaper part of counting them. A view
    without a view before it says nothing here; a checkout of one product does, of how often it is bought alone. Gathers end between
    those of the learner, as both need the interpreter then.
    """
    shards, gather_ms = settings.together.shards, settings.together.gather_ms
    together_lines = tables.sql_query(
        f"""SELECT CASE event_type WHEN 'checkout' THEN '{BOUGHT}' ELSE '{VIEWED}' END AS kind,
  CONCAT(`second`, CHR(31), product_id, CHR(31), companions) AS line, arrived
FROM {accepted} WHERE event_type = 'checkout' OR (event_type = 'product_view' AND companions <> '')"""
    )
    bought, viewed = (",".join(f"{kind}/{number}/{shards}" for number in range(shards)) for kind in (BOUGHT, VIEWED))
    query = f"""SELECT shard, lines FROM (
  SELECT CASE kind WHEN '{BOUGHT}' THEN '{bought}' ELSE '{viewed}' END AS shards, ARRAY_AGG(line) AS lines
  FROM TABLE(TUMBLE(TABLE {together_lines}, DESCRIPTOR(arrived), {interval(gather_ms)}, {interval(gather_ms // 2)}))
  GROUP BY kind, window_start, window_end
) CROSS JOIN UNNEST(SPLIT(shards, ',')) AS names (shard)"""
    return tables.to_append_stream(tables.sql_query(query), LINES_TYPE)
