"""What session operators know of the shop, read into a chooser of our own."""

from collections import Counter
from typing import NamedTuple

from rich.progress import Progress

from cli.explain.history import records_of
from cli.options import Target
from operators.names import BUNDLE_RECORD, CANDIDATES_RECORD, MODEL_RECORD, POPULARITY_RECORD
from operators.session.reference_data import ReferenceData
from state.choosing.choice import Chooser
from state.configuration import Topics
from state.events.rejection import Rejection


class ReadReference(NamedTuple):
    """Records read in by kind, and those refused, by reason."""

    records: Counter[str]
    refused: Counter[str]


def reference_topics(topics: Topics) -> dict[str, str]:
    """Return, by kind of record, the topic from which it is broadcast to the session operators."""
    return {
        CANDIDATES_RECORD: topics.candidate_lists,
        POPULARITY_RECORD: topics.popularity,
        BUNDLE_RECORD: topics.bundles,
        MODEL_RECORD: topics.bandit_model,
    }


def read_reference(target: Target, chooser: Chooser, bar: Progress) -> ReadReference:
    """Read all of it to its end. Of the model's topic only the newest record of each key is read, as models are large.

    Raises:
        UserError: the broker does not answer, or a topic does not exist.
    """
    reference, read = ReferenceData(chooser), ReadReference(Counter(), Counter())
    for kind, topic in reference_topics(target.settings.kafka.topics).items():
        records = ((record.key, record.value) for record in records_of(target, topic, bar))
        for key, value in dict(records).items() if kind == MODEL_RECORD else records:
            result = reference.apply(kind, key, value)
            if isinstance(result, Rejection):
                read.refused[result.reason] += 1
            elif result is not None:
                read.records[kind] += 1
    return read
