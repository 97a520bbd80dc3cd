"""State of every released version stays readable: golden files are written once and never again."""

from pathlib import Path

import pytest

from state.learner import LearnerShard
from state.model import Snapshot
from state.session import Session
from state.sums import Sums

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
