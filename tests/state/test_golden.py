"""State of every released version stays readable: golden files are written once and never again."""

from pathlib import Path

import msgspec
import pytest

from operators.names import MODEL_KEY, MODEL_RECORD
from operators.session.reference_data import ReferenceData
from state.codec import UnreadableError
from state.configuration import Together
from state.events.rejection import Rejection
from state.feature_set import DIMENSION, FEATURE_SET
from state.model.change import LiveModel
from state.model.learner import LearnerShard
from state.model.merger import IncompatibleModelError, Merger, ModelConditions, conditions_of
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.model.sums import Example, Sums
from state.popularity.baseline import Baseline
from state.popularity.listing import Listing
from state.popularity.moments import Moment, Moments
from state.session import forms
from state.session import session as session_module
from state.session.forms import decode_session
from state.session.hint import Hint
from state.session.record import pack_record
from state.session.session import Session
from state.together.listing import decode_list
from state.together.row import Row
from state.together.shard import Shard
from state.users.user import User
from tests.state.shop import T0, event, make_merger, settings, shop

GOLDEN = Path(__file__).parent / "golden"


def read(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def test_a_session_of_version_1() -> None:
    session = decode_session(read("session-1.bin"))
    assert (session.generation, session.applied, session.duplicates) == (1_763_770_000_010, 4, 1)
    assert [event.event_id for event in session.recent.events] == [
        "first", "1763770001000|impression||", "00000000-0000-0000-0000-000000000007", "cart",
    ]  # fmt: skip
    assert session.recent.events[-1].event_type == "add_to_cart"
    assert [exposure.reward for exposure in session.exposures] == pytest.approx([0.6, 0.0])
    assert len(session.slates) == 2
    assert session.slates[-1].matrix().shape == (20, 16)


def test_a_session_of_version_1_that_follows_the_shops_order() -> None:
    session = decode_session(read("session-1-apprentice.bin"))
    assert session.shop_order[:3] == ["product-31", "product-7", "product-12"]
    assert [(exposure.product_id, exposure.arm) for exposure in session.exposures] == [
        ("product-31", 1), ("product-7", 1), ("product-12", 1),
    ]  # fmt: skip
    assert list(session.slates[-1].arms[:3]) == [1, 1, 1]


def test_a_session_of_version_2() -> None:
    session = decode_session(read("session-2.bin"))
    assert (session.generation, session.applied, session.duplicates, session.dropped) == (T0 + 10, 9, 1, 0)
    assert [event.event_id for event in session.recent.events] == [
        "00000000-0000-0000-0000-000000000007", "1763770003000|feedback|p51|", "seen", "cart", "bought", "category", "search",
    ]  # fmt: skip
    assert session.recent.horizon == (T0 + 1_000, "1763770001000|impression||")
    viewed, rated, _, _, bought, category, _ = session.recent.events
    assert (viewed.credited, rated.credited, rated.strength) == (["p29"], ["p51"], 0.5)
    assert (bought.products, bought.categories, category.categories) == (["p57", "p9"], ["c2", "c4"], ["c3"])
    assert [(exposure.product_id, exposure.reward) for exposure in session.exposures] == [
        ("p56", 0.0), ("p50", 0.0), ("p57", 0.6),
    ]  # fmt: skip
    assert [(slate.decision_id, slate.seen, slate.logged) for slate in session.slates] == [
        ("name7-3", 7, True), ("name7-4", 0, False),
    ]  # fmt: skip
    assert session.slates[-1].matrix().shape == (20, DIMENSION)
    assert (session.region, session.user, session.moment) == (
        "north", "5c72f4886bc4408f8687cb4ebdda13dc", ["time:night", "season:autumn"],
    )  # fmt: skip
    assert session.shown == {"p6": 1, "p49": 1, "p56": 1, "p50": 1}
    assert (session.pending_ms, session.timer_ms) == (T0 + 2_404_011, T0 + 4_802_002)
    assert pack_record(session, "thompson_linear", "default") is not None


def test_a_session_of_an_older_form_goes_on_in_the_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rehearses the next change of a session's form: columns by name instead of an array of fields."""
    released, decoder = forms._FORMS, msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
    names = Session.__struct_fields__

    def by_name(data: bytes) -> Session:
        columns = decoder.decode(data)
        return released[b"\x01"](msgspec.msgpack.encode([columns[name] for name in names]))

    class Columns:
        def encode(self, value: object) -> bytes:
            if not isinstance(value, Session):
                return msgspec.msgpack.encode(value)
            return msgspec.msgpack.encode({name: getattr(value, name) for name in names})

    old = read("session-1.bin")
    personalizer = shop()
    with monkeypatch.context() as release:
        release.setattr(session_module, "VERSION", b"\x03")
        release.setattr(forms, "_FORMS", {**released, b"\x03": by_name})
        release.setattr(session_module, "_encoder", Columns())
        before = decode_session(old)
        view = event(at_ms=60_000, session_id="of-version-1", event_id="after the upgrade")
        effect = personalizer.apply(decode_session(old), view, record_ms=T0, now_ms=T0 + 60_000, watermark_ms=0)
        assert effect.session is not None
        stored = effect.session.encode()
        after = decode_session(stored)
        assert stored[:1] == b"\x03"
        assert (after.generation, after.applied) == (before.generation, before.applied + 1)
        kept = {one.event_id for one in before.recent.events}
        assert kept < {one.event_id for one in after.recent.events}
        assert after.encode() == stored
    with pytest.raises(UnreadableError, match="another release"):  # rolled back: refused, never misread
        decode_session(stored)


def test_a_learner_shard_of_version_1() -> None:
    shard = LearnerShard.decode(read("learner-shard-1.bin"))
    assert (shard.shard, shard.sums.weight) == ("default/0", 2.0)
    assert shard.pending.product_ids == [e.product_id for e in decode_session(read("session-1.bin")).exposures]


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
    answer = ReferenceData(chooser).apply(MODEL_RECORD, MODEL_KEY, data)
    assert isinstance(answer, Rejection)
    assert answer.detail == f"shop-1 is not {FEATURE_SET}"
    assert chooser.predictor is None
    conditions = conditions_of(settings())
    assert msgspec.structs.replace(conditions, feature_set="shop-1").key != conditions.key


def test_exposures_of_the_first_feature_set_are_refused_by_the_learner() -> None:
    """What was shown before an upgrade and is rewarded after it has features that mean something else."""
    sums = Sums(DIMENSION, None)
    exposure = decode_session(read("session-1.bin")).exposures[0]
    assert not sums.add([Example(exposure.exposed_at_ms, exposure.product_id, exposure.x, 1, 0.6, 0.36)]).examples
    assert (sums.refused, sums.weight) == (1, 0.0)


def test_sums_of_version_4() -> None:
    sums = Sums.decode(read("sums-4.bin"))
    fade = sums.fade(1_763_770_000_000)
    assert (fade * sums.compared).tolist() == [pytest.approx([1.0, 0.2]), pytest.approx([2.0, 0.6])]
    assert fade * sums.weight == pytest.approx(3.0)
    assert fade * sums.evidence[:2] == pytest.approx([1.0, 2.0])


HOUR = 3_600_000
TURN = (1_763_770_000_000 + HOUR, 8 * HOUR)


def conditions(dimension: int, form: str = "shared") -> ModelConditions:
    return ModelConditions(
        "golden", "default", 1.0, 7 * HOUR, "golden", 100, dimension, form, shortens=form == "disjoint"
    )


def test_merged_statistics_of_version_1() -> None:
    """Five examples on the snapshot of an earlier job that had learned four, under a half-life of 7 hours."""
    merger = Merger.decode(read("merger-1.bin"), conditions(26))
    merger.restore_base(Snapshot.decode(read("merger-1-base.bin")))
    sums = merger.sums()
    assert sums.half_life_ms == 7 * HOUR
    assert 4 < sums.weight * sums.fade(1_763_770_000_000) < 9 * 2 ** (10 / 7)
    assert list(merger.shards) == ["default/0"]


def test_a_learner_shard_of_version_2() -> None:
    shard = LearnerShard.decode(read("learner-shard-2.bin"))
    assert (shard.sums.half_life_ms, shard.sums.turns, shard.configured_ms) == (4 * HOUR, [TURN], 8 * HOUR)
    assert shard.pending.is_disjoint
    assert shard.pending.product_ids == ["product-0", "product-1"]
    assert shard.drift.waiting == {"default": [0.25]}
    assert shard.drift.watched["default"].exposures == 2_300


def test_merged_statistics_of_version_2() -> None:
    merger = Merger.decode(read("merger-2.bin"), conditions(3, "disjoint"))
    assert (merger.half_life_ms, merger.turns) == (4 * HOUR, [TURN])
    assert merger.sums().turns == [TURN]
    assert merger.watched[0].falls == 1


def test_a_snapshot_of_version_2_and_a_change_of_version_1() -> None:
    live = LiveModel()
    base = live.apply(read("snapshot-2.bin"))
    assert base is not None
    assert (base.form, base.product_ids, base.watched[0].exposures) == ("disjoint", ["product-1", "product-0"], 2_300)
    newest = live.apply(read("change-1.bin"))
    assert newest is not None
    assert newest.model_version == base.model_version + HOUR
    before, after = Predictor(base), Predictor(newest)
    assert after.statistics[1, 0] == pytest.approx(before.statistics[1, 0] * 2 ** (-1 / 4))
    assert after.statistics[0, 0] > before.statistics[0, 0]
    assert after.arms is not None
    assert after.arms.row_of.keys() == {"product-0", "product-1"}


def test_popularity_of_version_1() -> None:
    """What a region's past, the moments, and their records in the topic are kept as."""
    baseline, decay = Baseline.decode(read("baseline-1.bin")), 2 ** (-2 / 24)
    assert baseline.folded_ms == 1_763_769_600_000 + 2 * HOUR
    assert baseline.sums == pytest.approx({"a": 50 * decay + 40})  # the others have what the floor says
    assert baseline.sum_of("b") == baseline.floor == pytest.approx(30 * decay + 20)
    moments = Moments.decode(read("moments-1.bin")).moments
    assert {name: moment.views for name, moment in moments.items()} == {"": {"shoes": 10}, "time:night": {"shoes": 4}}
    assert Moment.decode(read("moment-1.bin")) == moments["time:night"]
    assert Listing.decode(read("popularity-1.bin")) == Listing(
        1_763_769_600_000, HOUR, 80, [("a", 50), ("b", 30)], [("a", 50, 0.25)], [("shoes", 80)]
    )


def test_partners_of_version_1() -> None:
    row = Row.decode(read("together-row-1.bin"))
    assert {name: round(partner.support) for name, partner in row.partners.items()} == {"ink": 5, "paper": 5}
    assert (round(row.single), len(row.listed)) == (5, 8)
    shard = Shard.open("bought/0/1", read("together-shard-1.bin"), Together())
    assert (round(shard.head.baskets), shard.pending) == (6, [])
    assert shard.head.periods.fresh == ["printer", "ink", "paper", "novel"]
    assert decode_list(read("together-list-1.bin")) == [("ink", 4.25, 12.0), ("paper", 1.5, 3.125)]


def test_a_user_and_a_hint_of_version_1() -> None:
    user = User.decode(read("user-1.bin"))
    assert (user.items, user.listed_ms) == (["product-3", "product-4"], 1_763_770_000_000)
    assert (user.sessions, user.forgotten_ms) == (["session-2"], 1_763_770_000_000 - HOUR)
    assert user.timer_ms == 1_763_770_000_000 + 48 * HOUR
    hint = Hint.decode(read("hint-1.bin"))
    assert hint == user.hint("0123456789abcdef0123456789abcdef", user.seen_ms)
    assert hint.products == pytest.approx({"product-1": 3.5, "product-2": 2.5})
    assert hint.categories == pytest.approx({"category-1": 3.5})
    assert hint.total == pytest.approx(3.5)
