"""Putting dead letters back, each once: payloads and read positions are committed in one Kafka transaction."""

from collections import Counter
from typing import Any

import msgspec
from kafka import OffsetAndMetadata
from kafka.errors import KafkaError

from cli.errors import UserError
from cli.kafka_client import open_producer, unreachable
from cli.options import Target
from cli.topic_reader import TopicReader, record_partition
from state.events.dead_letter import DeadLetter, read_dead_letter

TRUNCATED = "payload was cut, so it cannot be sent again"
NOT_STORED = "it counts others that were not stored"
NOT_OURS = "its topic is none that Heliotrope reads"


class Resent(msgspec.Struct):
    """Result: payloads sent, and those refused by reason."""

    sent: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)


def resend_all(target: Target) -> Resent:
    """Send the payload of every dead letter that no earlier call has handled, to its topic and with its key.

    A crash in between repeats nothing: a batch's payloads and the position behind it become visible together or not at all.

    Raises:
        UserError: the broker does not answer, or another call runs at the same time.
    """
    group = f"{target.settings.kafka.group}-dead-letters-resend"
    done = Resent()
    with TopicReader(target, target.settings.kafka.topics.dead_letters, group) as reader:
        if not reader.waiting:
            return done
        producer = open_producer(target, linger_ms=5, transactional_id=group)
        try:
            producer.init_transactions()
            for records in reader.to_end():
                _resend_batch(producer, records, group, target, done)
        except KafkaError as error:
            raise _explained(target, error) from None
        finally:
            producer.close(timeout=5)
    return done


def _resend_batch(producer: Any, records: list[Any], group: str, target: Target, done: Resent) -> None:
    batch = Resent()
    positions: dict[Any, Any] = {}
    producer.begin_transaction()
    try:
        for record in records:
            positions[record_partition(record)] = OffsetAndMetadata(record.offset + 1, "", -1)
            letter = read_dead_letter(record.value)
            reason = refusal(letter, target)
            if reason is None:
                producer.send(destination(letter, target), value=letter.payload, key=record.key)
                batch.sent += 1
            else:
                batch.refused[reason] += 1
        producer.send_offsets_to_transaction(positions, group)
        producer.commit_transaction()
    except BaseException:
        producer.abort_transaction()
        raise
    done.sent += batch.sent
    done.refused += batch.refused


def refusal(letter: DeadLetter, target: Target) -> str | None:
    """Return why a dead letter cannot be sent again, None where it can."""
    if letter.not_stored:
        return NOT_STORED
    if not letter.is_whole:
        return TRUNCATED
    topics = target.settings.kafka.topics
    if destination(letter, target) not in (topics.user_interactions, topics.products, topics.bundles):
        return NOT_OURS
    return None


def destination(letter: DeadLetter, target: Target) -> str:
    """Return the topic that the payload came from; the events' where it is not said."""
    return letter.topic or target.settings.kafka.topics.user_interactions


def _explained(target: Target, error: KafkaError) -> UserError:
    if "Fenced" in type(error).__name__ or "Epoch" in type(error).__name__:
        return UserError("another `dead-letters --resend` runs at the same time: wait for it, then call again")
    return unreachable(target, error)
