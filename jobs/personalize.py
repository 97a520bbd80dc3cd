"""The main job: events in, profiles to Redis, decisions and outcomes to Kafka, a model that learns from them.

flink run -py jobs/personalize.py [--config FILE] [--set KEY=VALUE]...
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from pyflink.common import Configuration
from pyflink.datastream import KeyedStream, StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

from jobs.errors import ConfigurationError, SecretError
from jobs.flink.batches import gathered, in_batches
from jobs.flink.jvm import always_idle, evenly_spread_keys, flush_after, keyed_in_jvm, put_beside, set_uids
from jobs.resuming import check_resume
from jobs.secrets import redis_password, user_salt
from jobs.settings import load_settings
from jobs.settings_rules import bucket_count, check_buckets
from jobs.streams.accepted import accepted_events, records_table
from jobs.streams.catalogue import candidate_lists, directory_table
from jobs.streams.ends import OpenSinks, OpenSource, Source
from jobs.streams.kafka import kafka_sinks, kafka_source
from jobs.streams.popularity import popularity_stream
from jobs.streams.tables import KEYED_BATCH_TYPE, events_stream, examples_stream, model_stream, reference_stream
from jobs.streams.together import together_stream
from jobs.streams.users import hints_stream, lists_as_messages, user_lists_stream, user_messages_stream
from jobs.streams.writing import Written, write, write_records
from operators.build import BUILD_ID
from operators.model.learner import UPDATE_TYPE, LearnerOperator
from operators.model.operator import SNAPSHOT_TYPE, ModelOperator
from operators.names import LEARNER, MODEL, POPULARITY, SESSION, USER_LISTS, USERS, session_uid
from operators.popularity import LIST_TYPE, PopularityOperator
from operators.session.operator import REFERENCE_STATE, Secrets, SessionOperator
from operators.session.outbox import OUTPUT_TYPE
from operators.users.user_lists import USER_LIST_TYPE, UserListOperator
from operators.users.users import HINT_TYPE, UserOperator
from state.choosing.variants import conditions_by_key, learners_of
from state.configuration import Settings

BUFFER_TIMEOUT = "200 ms"
"""Of all that no visitor waits for. Each task has a thread that wakes so often; at 2 ms they took an eighth of a core together, at
100 ms 8 ms of CPU a second."""

WATERMARK_INTERVAL = "500 ms"
"""Of each source: windows close by the minute, exposures in steps of 10 s. With the usual 200 ms thirteen tasks wake 65 times a
second together."""

LONGEST_CODE = 12_000
"""Characters of a class that SQL generates up to which Flink does not parse it. It does so to cut methods of over 8,000 bytes,
which Java never compiles. Nearly all class files of the job are below that with all their names, so all their methods are."""


def build_graph(
    environment: StreamExecutionEnvironment, settings: Settings, source: OpenSource, sinks: OpenSinks
) -> list[str]:
    """Return the topology; return the uids of all its operators.

    The order of the steps is a part of it: the uids of SQL's operators are counted in the order in which they are made.

    Raises:
        ConfigurationError: the cluster's parallelism is more than there are buckets of sessions.
    """
    check_buckets(settings, environment.get_parallelism())
    tables = StreamTableEnvironment.create(environment)
    given, ends = source(tables, settings), sinks(tables, settings)

    inputs = inputs_by_bucket(tables, settings, given)  # (bucket, Row(sessions, payloads, keys, places))
    reference = always_idle(reference_stream(tables, given))  # Row(kind, key, value, partition, offset, ms)
    session = SessionOperator(settings, partial(read_secrets, settings), BUILD_ID, ends.writers)
    sessions = inputs.connect(reference.broadcast(REFERENCE_STATE)).process(session, OUTPUT_TYPE)
    sessions = in_batches(sessions, settings.flink.gather_ms)
    sessions = sessions.name(SESSION).uid(session_uid(bucket_count(settings)))
    records = records_table(tables, sessions)  # kind, key, value, outcomes, shard, examples, accepted; decision 0006
    accepted = accepted_events(tables, records)  # a row for each product of an accepted event

    examples = keyed_in_jvm(examples_stream(tables, settings, records))  # (shard, messages)
    updates = examples.process(LearnerOperator(learners_of(settings), BUILD_ID), UPDATE_TYPE)
    updates = updates.name(LEARNER).uid(LEARNER)  # Row(model, update)
    model_inputs = updates.union(model_stream(tables, settings, given.model))  # (model, update, snapshot or command)
    model = ModelOperator(conditions_by_key(settings), settings.bandit, BUILD_ID)
    snapshots = keyed_in_jvm(model_inputs).process(model, SNAPSHOT_TYPE)
    snapshots = snapshots.set_parallelism(1).name(MODEL).uid(MODEL)  # Row(key, snapshot or change)

    directory = directory_table(tables, settings, given.products, records)  # category_id, message, kind, key, value
    candidates = candidate_lists(tables, settings, directory)  # Row(key, list of candidates or None)
    partners = together_stream(tables, settings, accepted)  # Row(key, list of partners or None)

    user_list = UserListOperator(settings, partial(user_salt, settings), BUILD_ID)
    listed = user_lists_stream(tables, given.user_lists).process(user_list, USER_LIST_TYPE)
    listed = listed.name(USER_LISTS).uid(USER_LISTS)
    user_lists = tables.from_data_stream(listed)  # user_hash, message, key, dead_letter
    messages = always_idle(lists_as_messages(tables, user_lists))
    messages = messages.union(user_messages_stream(tables, settings, records))  # (user, messages)
    hints = keyed_in_jvm(messages).process(UserOperator(settings, BUILD_ID), HINT_TYPE)
    hints = hints.name(USERS).uid(USERS)  # Row(session, hint)
    write(tables, ends.hints, hints)

    counted = keyed_in_jvm(popularity_stream(tables, settings, accepted))  # (shard, a window's counts)
    popularity = PopularityOperator(settings, partial(redis_password, settings), BUILD_ID, ends.writers)
    popular = counted.process(popularity, LIST_TYPE).name(POPULARITY).uid(POPULARITY)  # Row(region…, list)
    write(tables, ends.popularity, popular)

    write_records(tables, settings, ends, Written(records, directory, user_lists, snapshots, candidates, partners))
    put_beside(sessions)
    return set_uids(environment)


def inputs_by_bucket(tables: StreamTableEnvironment, settings: Settings, source: Source) -> KeyedStream:
    """Return events and hints as KEYED_BATCH_TYPE, by the buckets of their sessions. A visitor waits for them, so buffers leave
    early."""
    buckets = evenly_spread_keys(bucket_count(settings), settings.flink.max_parallelism)
    given = (
        events_stream(tables, settings, source),
        always_idle(hints_stream(tables, settings, source.hints)),
    )
    events, hints = (gathered(inputs, buckets, settings.flink.gather_ms, KEYED_BATCH_TYPE) for inputs in given)
    flush_after(events, settings.flink.buffer_timeout_ms)
    return keyed_in_jvm(events.union(hints))


def environment_for(settings: Settings) -> StreamExecutionEnvironment:
    """Return an environment with what the job must have, whatever the cluster's defaults."""
    flink = settings.flink
    configuration = Configuration()
    options = {
        "python.execution-mode": "thread",
        "pipeline.name": "heliotrope-personalize",
        "pipeline.max-parallelism": str(flink.max_parallelism),
        "pipeline.object-reuse": "true",
        "execution.buffer-timeout.interval": BUFFER_TIMEOUT,
        "pipeline.auto-watermark-interval": WATERMARK_INTERVAL,
        "execution.checkpointing.interval": f"{flink.checkpoint_interval_ms} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.timeout": f"{flink.checkpoint_timeout_ms} ms",
        "execution.checkpointing.tolerable-failed-checkpoints": "1000",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "200 ms",
        "restart-strategy.exponential-delay.max-backoff": "30 s",
        "state.backend.type": flink.state_backend,
        "table.exec.source.idle-timeout": "0 ms",
        "table.local-time-zone": "UTC",
        "table.generated-code.max-length": str(LONGEST_CODE),
    }
    if flink.checkpoint_dir:
        options["execution.checkpointing.dir"] = flink.checkpoint_dir
    for key, value in options.items():
        configuration.set_string(key, value)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    if flink.parallelism is not None:
        environment.set_parallelism(flink.parallelism)
    return environment


def read_secrets(settings: Settings) -> Secrets:
    """Read where the operator runs, so that no secret is in the job's graph.

    Raises:
        SecretError: a secret's file cannot be read there.
    """
    return Secrets(redis_password(settings), user_salt(settings))


def main(arguments: list[str]) -> None:
    """Read the settings and submit the job."""
    parser = argparse.ArgumentParser(prog="personalize.py", description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings(options.config, options.sets)
        for key, value in (("kafka.bootstrap", settings.kafka.bootstrap), ("redis.url", settings.redis.url)):
            if not value:
                raise ConfigurationError(f"{key}: must be set for a job that runs on a cluster")
        environment = environment_for(settings)
        build_graph(environment, settings, kafka_source, kafka_sinks)
        check_resume(environment, settings)
    except (ConfigurationError, SecretError) as error:
        sys.exit(f"heliotrope: {error}")
    environment.execute("heliotrope-personalize")


if __name__ == "__main__":
    main(sys.argv[1:])
