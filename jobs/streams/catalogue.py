"""The catalogue: from the products' topic to the lists of candidates that session operators hold."""

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import Schema, StreamTableEnvironment, Table

from jobs.flink.jvm import keyed_in_jvm
from jobs.flink.sql import RECORD_MS, interval, remainder
from operators.build import BUILD_ID
from operators.catalogue.assortment import LIST_TYPE, AssortmentOperator
from operators.catalogue.directory import DIRECTORY_TYPE, GATHERED_TYPE, DirectoryOperator
from operators.names import ASSORTMENT, DIRECTORY, WANTED
from state.configuration import Settings

MOST_GATHERED_MS = 1_000
MESSAGES_TYPE = Types.ROW([Types.STRING(), Types.OBJECT_ARRAY(Types.PRIMITIVE_ARRAY(Types.BYTE()))])
"""Row(category, messages)."""


def directory_table(tables: StreamTableEnvironment, settings: Settings, products: Table, records: Table) -> Table:
    """Return what the directory makes of the products, and of those that the session operators' records ask for.

    The columns are those of DIRECTORY_TYPE, and arrived (processing time).
    """
    gathered = keyed_in_jvm(
        _gathered_products(tables, settings, products, records)
    )  # (shard, Row(keys, payloads, places))
    directory = DirectoryOperator(settings.kafka.topics.products, BUILD_ID)
    messages = gathered.process(directory, DIRECTORY_TYPE)
    messages = messages.name(DIRECTORY).uid(DIRECTORY)  # Row(category_id, message, kind, key, value)
    schema = Schema.new_builder().column_by_expression("arrived", "PROCTIME()").build()
    return tables.from_data_stream(messages, schema)


def candidate_lists(tables: StreamTableEnvironment, settings: Settings, directory: Table) -> DataStream:
    """Return lists of candidates for the session operators, as LIST_TYPE, from `directory_table`."""
    messages = keyed_in_jvm(_gathered_messages(tables, settings, directory))  # (category, messages)
    assortment = AssortmentOperator(settings.candidates, settings.catalogue, BUILD_ID)
    lists = messages.process(assortment, LIST_TYPE)
    return lists.name(ASSORTMENT).uid(ASSORTMENT)  # Row(key, value)


def _gathered_products(
    tables: StreamTableEnvironment, settings: Settings, products: Table, records: Table
) -> DataStream:
    """Products and what is asked for, by shard of the product's id, all of a short time.

    A place is `partition offset record_ms product`, empty for a product that is asked for. The id is the JSON's, as everywhere;
    a removal has but its key. What has none is spread. Reading JSON for an id takes the JVM longer than all else that it does with
    a product, so what begins with its key as the id, as most do, is not read here.
    """
    shards = settings.catalogue.shards
    listed = tables.sql_query(
        f"""SELECT origin_key, payload, `offset`, arrived,
  CASE WHEN payload IS NULL THEN COALESCE(CAST(origin_key AS STRING), '')
    WHEN {_begins_with_key('"product_id":"')} OR {_begins_with_key('"product_id": "')} THEN CAST(origin_key AS STRING)
    ELSE COALESCE(JSON_VALUE(CAST(payload AS STRING), '$.product_id'), '') END AS product_id,
  CONCAT(CAST(`partition` AS STRING), ' ', CAST(`offset` AS STRING), ' ', CAST({RECORD_MS} AS STRING), ' ') AS place
FROM {products}"""
    )
    number = f"CASE product_id WHEN '' THEN MOD(`offset`, {shards}) ELSE HASH_CODE(product_id) END"
    catalogue_input = tables.sql_query(
        f"""SELECT {_shard(number, shards)} AS shard,
  COALESCE(origin_key, X'') AS k, payload AS v, CONCAT(place, product_id) AS place, arrived FROM {listed}
UNION ALL SELECT {_shard("HASH_CODE(CAST(`key` AS STRING))", shards)}, `key`, CAST(NULL AS BYTES), '', arrived
FROM {records} WHERE kind = '{WANTED}'"""
    )
    gathered = tables.sql_query(
        f"""SELECT shard, ROW(ARRAY_AGG(k), ARRAY_AGG(v), ARRAY_AGG(place)) AS gathered
FROM TABLE(TUMBLE(TABLE {catalogue_input}, DESCRIPTOR(arrived), {interval(settings.catalogue.gather_ms)}))
GROUP BY shard, window_start, window_end"""
    )
    return tables.to_append_stream(gathered, Types.ROW([Types.STRING(), GATHERED_TYPE]))


def _gathered_messages(tables: StreamTableEnvironment, settings: Settings, directory: Table) -> DataStream:
    """The directory's messages by category, as MESSAGES_TYPE: all of a publish interval, as long as that is no long time.

    What a call and a message cost besides their products is much more than a product.
    """
    catalogue = settings.catalogue
    gather_ms = max(catalogue.gather_ms, min(catalogue.publish_interval_ms, MOST_GATHERED_MS))
    category_messages = tables.sql_query(
        f"SELECT category_id, message, arrived FROM {directory} WHERE message IS NOT NULL"
    )
    gathered = tables.sql_query(
        f"""SELECT category_id, ARRAY_AGG(message) AS messages
FROM TABLE(TUMBLE(TABLE {category_messages}, DESCRIPTOR(arrived), {interval(gather_ms)}))
GROUP BY category_id, window_start, window_end"""
    )
    return tables.to_append_stream(gathered, MESSAGES_TYPE)


def _begins_with_key(name: str) -> str:
    """Whether the payload is an object whose first field has this name and the record's key as its value; a key with a backslash
    may be another's beginning."""
    begin = f"ENCODE(CONCAT('{{{name}', CAST(origin_key AS STRING), '\"'), 'UTF-8')"
    return f"(STARTSWITH(payload, {begin}) AND LOCATE(CHR(92), CAST(origin_key AS STRING)) = 0)"


def _shard(number: str, shards: int) -> str:
    """A number as the name of a shard."""
    return f"CAST({remainder(number, shards)} AS STRING)"
