"""State of every released version stays readable: golden files are written once and never again."""

from pathlib import Path

import msgspec
import pytest

from operators.names import MODEL_KEY, MODEL_RECORD
from operators.reference_data import ReferenceData
from state.feature_set import DIMENSION, FEATURE_SET
from state.learner import LearnerShard
from state.merger import IncompatibleModelError, terms_of
from state.model import Snapshot
from state.rejection import Rejection
from state.session import Session
from state.sums import Example, Sums
from tests.state.shop import make_merger, settings, shop

GOLDEN = Path(__file__).parent / "golden"


def read(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def test_a_session_of_version_1() -> None:
    session = Session.decode(read("session-1.bin"))
    assert (session.generation, session.applied, session.duplicates) == (1_763_770_000_010, 4, 1)
    assert [event.event_id for event in session.recent.events] == [
        "first", "1763770001000|impression||", "00000000-0000-0000-0000-000000000007", "cart",
    ]  # fmt: skip
    assert session.recent.events[-1].event_type == "add_to_cart"
    assert [exposure.reward for exposure in session.exposures] == pytest.approx([0.6, 0.0])
    assert len(session.slates) == 2
    assert session.slates[-1].matrix().shape == (20, 16)


def test_a_learner_shard_of_version_1() -> None:
    shard = LearnerShard.decode(read("learner-shard-1.bin"))
    assert (shard.shard, shard.sums.weight) == ("default/0", 2.0)
    assert shard.pending.product_ids == [e.product_id for e in Session.decode(read("session-1.bin")).exposures]


def test_a_snapshot_of_version_1() -> None:
    snapshot = Snapshot.decode(read("snapshot-1.bin"))
    assert (snapshot.model_version, snapshot.feature_set) == (1_763_770_000_000, "shop-1")
    assert Sums.decode(snapshot.sums).weight == 2.0


def test_a_model_of_the_first_feature_set_is_refused_and_never_misread() -> None:
    """By the learner, by the session operators, and by the name under which statistics are kept."""
    data = read("snapshot-1.bin")
    merger = make_merger()
    with pytest.raises(IncompatibleModelError, match=f"feature set is 'shop-1', this job's is '{FEATURE_SET}'"):
        merger.start_from(Snapshot.decode(data), 1_763_770_000_000)
    assert merger.is_empty()
    chooser = shop().chooser
    answer = ReferenceData(chooser).take(MODEL_RECORD, MODEL_KEY, data)
    assert isinstance(answer, Rejection)
    assert answer.detail == f"shop-1 is not {FEATURE_SET}"
    assert chooser.predictor is None
    terms = terms_of(settings())
    assert msgspec.structs.replace(terms, feature_set="shop-1").key != terms.key


def test_exposures_of_the_first_feature_set_are_refused_by_the_learner() -> None:
    """What was shown before an upgrade and is rewarded after it has features that mean something else."""
    sums = Sums(DIMENSION, None)
    exposure = Session.decode(read("session-1.bin")).exposures[0]
    assert sums.add(Example(exposure.exposed_at_ms, exposure.product_id, exposure.x, 1, 0.6, 0.36)) == 0.0
    assert (sums.refused, sums.weight) == (1, 0.0)
