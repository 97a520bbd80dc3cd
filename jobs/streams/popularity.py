"""What is popular, in SQL: windows, counts and the most counted, in the JVM.

Accepted events are counted by region, product and category, once, in the slide that they fall into; the sliding windows add slides
up. What comes after the watermark has passed its slide's end is not counted in any window, but in Flink's metric
`numLateRecordsDropped` of the `GlobalWindowAggregate` that counts slides: there in rows, which stand for one event or several of
the same region, product and category.
"""

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment, Table

from jobs.flink.sql import interval, remainder
from operators.names import MOMENTS_KEY
from state.configuration import Settings
from state.popularity.names import CATEGORY, RESERVED, WHOLE
from state.popularity.window import CATEGORY as CATEGORY_KIND
from state.popularity.window import PRODUCT, TOTAL

COUNTED_TYPE = Types.ROW([Types.STRING(), Types.STRING()])
"""Row(shard, text)."""
SHARDS = 128
"""Of the lists' names: so many rows for a slide, each with a share of the regions, instead of one for each region."""
MOST_OF_MOMENTS = 50_000
"""Counts of a category at a moment that are handed on for a window, the largest."""

_LINE, _FIELD, _ENTRY = "CHR(30)", "CHR(31)", "CHR(29)"
_END_MS = "CAST(CAST(EXTRACT(EPOCH FROM window_end) AS BIGINT) * 1000 + EXTRACT(MILLISECOND FROM window_end) AS STRING)"
_EVENT_TYPE = {"views": "product_view", "purchases": "checkout"}


def popularity_stream(tables: StreamTableEnvironment, settings: Settings, accepted: Table) -> DataStream:
    """Count accepted events in windows, as COUNTED_TYPE: text in the form of `state/popularity/window.py`.

    For each slide a row per shard of lists; for each window a row of what was viewed at which moment.
    """
    lists = _popular_lists(tables, settings, accepted)
    moments = _popular_moments(tables, settings, accepted)
    shard = remainder("HASH_CODE(list)", SHARDS)
    text = f"CONCAT(list, {_FIELD}, kind, {_FIELD}, entry, {_FIELD}, CAST(number AS STRING))"
    query = f"""SELECT CONCAT('lists/', CAST({shard} AS STRING)) AS shard,
  CONCAT({_END_MS}, {_LINE}, ARRAY_JOIN(ARRAY_AGG({text}), {_LINE})) AS text
FROM {lists} GROUP BY window_start, window_end, {shard}
UNION ALL
SELECT '{MOMENTS_KEY}', CONCAT({_END_MS}, {_LINE}, ARRAY_JOIN(ARRAY_AGG({text}), {_LINE}))
FROM {moments} GROUP BY window_start, window_end"""
    return tables.to_append_stream(tables.sql_query(query), COUNTED_TYPE)


def _popular_lists(tables: StreamTableEnvironment, settings: Settings, accepted: Table) -> Table:
    """The most counted by list: window_start, window_end, list, kind, entry, number.

    Each list has its most counted products and categories, equal counts by id, and the count of all; a category's list has products
    alone.
    """
    popularity = settings.popularity
    slide, window = interval(popularity.slide_ms), interval(popularity.window_ms)
    counted = tables.sql_query(
        f"""SELECT rowtime, product_id, category_id,
  CASE WHEN region = '{WHOLE}' OR region LIKE '{RESERVED}%' THEN '' ELSE region END AS region
FROM {accepted} WHERE event_type = '{_EVENT_TYPE[popularity.counts]}'"""
    )
    counted_slides = tables.sql_query(
        f"""SELECT window_time AS counted_at, region, product_id, category_id, COUNT(*) AS number
FROM TABLE(TUMBLE(TABLE {counted}, DESCRIPTOR(rowtime), {slide}))
GROUP BY window_start, window_end, window_time, region, product_id, category_id"""
    )
    counted_windows = tables.sql_query(
        f"""SELECT window_start, window_end, region, product_id, category_id, SUM(number) AS number,
  GROUPING(region) = 0 AS is_region, GROUPING(product_id) = 0 AS is_product, GROUPING(category_id) = 0 AS is_category
FROM TABLE(HOP(TABLE {counted_slides}, DESCRIPTOR(counted_at), {slide}, {window}))
GROUP BY window_start, window_end, GROUPING SETS (
  (region, product_id), (region, category_id), (region), (product_id), (category_id), (), (category_id, product_id))"""
    )
    entries = f"""SELECT window_start, window_end, number,
  CASE WHEN is_region THEN region WHEN is_product AND is_category THEN CONCAT('{CATEGORY}', category_id)
    ELSE '{WHOLE}' END AS list,
  CASE WHEN is_product THEN '{PRODUCT}' WHEN is_category THEN '{CATEGORY_KIND}' ELSE '{TOTAL}' END AS kind,
  CASE WHEN is_product THEN product_id WHEN is_category THEN category_id ELSE '' END AS entry
FROM {counted_windows} WHERE (NOT is_region OR region <> '') AND (NOT is_category OR category_id <> '')"""
    return tables.sql_query(_most_counted(entries, "list, kind", popularity.tracked))


def _popular_moments(tables: StreamTableEnvironment, settings: Settings, accepted: Table) -> Table:
    """The most viewed by moment, in the same form: the lists are moments by name, "" for all, and categories are counted.

    Events of the same moment and category are counted first, so that the moment's names are taken apart once for all of them. A
    name counts once for an event that tells it twice.
    """
    window = interval(settings.popularity.window_ms)
    viewed = tables.sql_query(
        f"""SELECT rowtime, moment, category_id FROM {accepted}
WHERE event_type = 'product_view' AND category_id <> ''"""
    )
    viewed_moments = tables.sql_query(
        f"""SELECT window_time AS counted_at, moment, category_id, COUNT(*) AS number
FROM TABLE(TUMBLE(TABLE {viewed}, DESCRIPTOR(rowtime), {window}))
GROUP BY window_start, window_end, window_time, moment, category_id"""
    )
    viewed_names = tables.sql_query(
        f"""SELECT counted_at, name, category_id, number FROM {viewed_moments}
CROSS JOIN UNNEST(ARRAY_DISTINCT(SPLIT(CONCAT({_ENTRY}, moment), {_ENTRY}))) AS names (name)"""
    )
    entries = f"""SELECT window_start, window_end, name AS list, '{CATEGORY_KIND}' AS kind, category_id AS entry,
  SUM(number) AS number FROM TABLE(TUMBLE(TABLE {viewed_names}, DESCRIPTOR(counted_at), {window}))
GROUP BY window_start, window_end, name, category_id"""
    return tables.sql_query(_most_counted(entries, "kind", MOST_OF_MOMENTS))


def _most_counted(entries: str, by: str, most: int) -> str:
    return f"""SELECT window_start, window_end, list, kind, entry, number FROM (SELECT *, ROW_NUMBER() OVER (
  PARTITION BY window_start, window_end, {by} ORDER BY number DESC, entry ASC) AS place FROM ({entries})) WHERE place <= {most}"""
