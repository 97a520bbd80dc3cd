"""The model as it reaches a session operator, whole and in changes, and back from broadcast state."""

import msgspec
import numpy as np

from operators.names import (
    BUNDLE_RECORD,
    CANDIDATES_RECORD,
    CHANGE_SUFFIX,
    MODEL_KEY,
    MODEL_RECORD,
    POPULARITY_RECORD,
)
from operators.session.reference_data import ReferenceData
from state.choosing.choice import Chooser
from state.events.rejection import Rejection
from state.model.change import Change
from state.model.model_input import Command
from state.model.snapshot import Snapshot
from state.model.sums import Sums
from state.popularity.listing import Listing
from state.popularity.moments import Moment
from state.together.listing import Pair, encode_list
from tests.state.model.test_learning import base_of, made_examples
from tests.state.shop import T0, settings

WHOLE = base_of(made_examples(1, 40))
LATER: Snapshot = msgspec.structs.replace(base_of(made_examples(1, 50)), model_version=WHOLE.model_version + 500)
CHANGE = Change(WHOLE.model_version, LATER.encode()).encode()

WEEKLY = {"share": 0.5, "half_life": "7 d"}


def opened() -> tuple[Chooser, ReferenceData]:
    chooser = Chooser(settings(), np.random.default_rng(1))
    return chooser, ReferenceData(chooser)


def version(chooser: Chooser) -> int | None:
    return chooser.predictor.model_version if chooser.predictor else None


def test_a_change_is_scored_with_at_once() -> None:
    chooser, reference = opened()
    assert reference.apply(MODEL_RECORD, MODEL_KEY, WHOLE.encode()) == "model"
    assert version(chooser) == WHOLE.model_version
    assert reference.apply(MODEL_RECORD, MODEL_KEY + CHANGE_SUFFIX, CHANGE) == "model+"
    assert version(chooser) == LATER.model_version


def test_a_change_without_its_base_waits_for_it() -> None:
    chooser, reference = opened()
    assert reference.apply(MODEL_RECORD, MODEL_KEY + CHANGE_SUFFIX, CHANGE) == "model+"
    assert version(chooser) is None
    reference.apply(MODEL_RECORD, MODEL_KEY, WHOLE.encode())
    assert version(chooser) == LATER.model_version


def test_both_come_back_after_a_restart_in_whichever_order() -> None:
    entries = {"model": WHOLE.encode(), "model+": CHANGE}
    for names in (("model", "model+"), ("model+", "model")):
        chooser, reference = opened()
        assert reference.restore((name, entries[name]) for name in names) == 2
        assert version(chooser) == LATER.model_version


def test_what_cannot_be_used_is_refused_and_the_model_stays() -> None:
    chooser, reference = opened()
    reference.apply(MODEL_RECORD, MODEL_KEY, WHOLE.encode())
    foreign = msgspec.structs.replace(LATER, feature_set="another")
    for key, value in (
        (MODEL_KEY + CHANGE_SUFFIX, b"+?"),
        (MODEL_KEY, foreign.encode()),
    ):
        assert isinstance(reference.apply(MODEL_RECORD, key, value), Rejection)
    assert version(chooser) == WHOLE.model_version


def test_each_variants_model_comes_under_its_name() -> None:
    chooser = Chooser(settings(bandit={"variants": {"weekly": WEEKLY}}), np.random.default_rng(1))
    reference = ReferenceData(chooser)
    assert reference.apply(MODEL_RECORD, b"MODEL:weekly", WHOLE.encode()) == "model:weekly"
    assert reference.apply(MODEL_RECORD, b"MODEL:weekly+", CHANGE) == "model:weekly+"
    assert reference.apply(MODEL_RECORD, b"MODEL:over", WHOLE.encode()) is None
    weekly = next(own for i in range(99) if (own := chooser.of(f"visitor-{i}")) is not chooser)
    assert (version(chooser), version(weekly)) == (None, LATER.model_version)
    restored = Chooser(chooser.settings, np.random.default_rng(1))
    ReferenceData(restored).restore([("model:weekly+", CHANGE), ("model:weekly", WHOLE.encode())])
    weekly = next(own for i in range(99) if (own := restored.of(f"visitor-{i}")) is not restored)
    assert version(weekly) == LATER.model_version


def test_commands_and_archived_models_are_not_for_sessions() -> None:
    chooser, reference = opened()
    command = Command("import", T0, WHOLE.encode())
    for key, value in ((b"COMMAND", command.encode()), (b"MODEL@1763770000000", WHOLE.encode())):
        assert reference.apply(MODEL_RECORD, key, value) is None
    assert version(chooser) is None


def test_what_no_operator_would_take_is_refused_here_where_there_are_dead_letters() -> None:
    chooser, reference = opened()
    unsound = msgspec.structs.replace(WHOLE, counts=b"\x00")
    command = Command("import", T0, unsound.encode())
    for key, value in (
        (b"COMMAND", command.encode()),
        (b"COMMAND:own", b"C?"),
        (b"ANYTHING", WHOLE.encode()),
        (None, b""),
    ):
        assert isinstance(reference.apply(MODEL_RECORD, key, value), Rejection)
    assert version(chooser) is None


def test_an_unsound_model_is_refused_and_the_last_good_one_stays() -> None:
    chooser, reference = opened()
    reference.apply(MODEL_RECORD, MODEL_KEY, WHOLE.encode())
    sums = Sums.decode(LATER.sums)
    sums.b[0] = np.nan
    small = msgspec.structs.replace(LATER, sums=Sums(3, None).encode(), product_ids=[], counts=b"", residuals=b"")
    for bad in (
        msgspec.structs.replace(LATER, sums=sums.encode()),
        small,
        msgspec.structs.replace(LATER, sums=b"\x02?"),
    ):
        answer = reference.apply(MODEL_RECORD, MODEL_KEY, bad.encode())
        assert isinstance(answer, Rejection)
        assert answer.reason == "invalid_value"
        change = Change(WHOLE.model_version, msgspec.structs.replace(bad, lineage=WHOLE.lineage).encode())
        assert isinstance(reference.apply(MODEL_RECORD, MODEL_KEY + CHANGE_SUFFIX, change.encode()), Rejection)
        assert version(chooser) == WHOLE.model_version
    reference.apply(MODEL_RECORD, MODEL_KEY, LATER.encode())
    assert version(chooser) == LATER.model_version


def popular(product: str) -> bytes:
    return Listing(1_000, 3_600_000, 5, [(product, 5)], [], []).encode()


def test_popularity_is_held_and_comes_back_after_a_restart() -> None:
    chooser, reference = opened()
    records = {b"_all": popular("p1"), b"EU": popular("p2"), b"@moment/": Moment(1_000, 9, {"c": 9}).encode()}
    names = [reference.apply(POPULARITY_RECORD, key, value) for key, value in records.items()]
    assert names == ["popularity/_all", "popularity/EU", "popularity/@moment/"]
    assert reference.apply(POPULARITY_RECORD, b"@category/c", popular("p3")) is None  # comes again with the next slide
    assert chooser.shelf.popularity.of("EU", 1_000).items == [("p2", 1.0, 5)]
    restored, reference = opened()
    assert reference.restore(zip(map(str, names), records.values(), strict=True)) == 3
    assert restored.shelf.popularity.of("EU", 1_000) == chooser.shelf.popularity.of("EU", 1_000)
    assert reference.apply(POPULARITY_RECORD, b"EU", None) == "popularity/EU"
    assert restored.shelf.popularity.of("EU", 1_000).region == "_all"
    assert isinstance(reference.apply(POPULARITY_RECORD, b"EU", b"?"), Rejection)
    assert isinstance(reference.apply(POPULARITY_RECORD, None, popular("p")), Rejection)


def test_a_list_that_had_to_make_room_is_named_so_that_broadcast_state_forgets_it() -> None:
    chooser, reference = opened()
    chooser.shelf.popularity._max_lists = 1
    reference.apply(POPULARITY_RECORD, b"EU", popular("p1"))
    reference.apply(POPULARITY_RECORD, b"US", popular("p1"))
    assert reference.drain_forgotten() == ["popularity/EU"]
    assert reference.drain_forgotten() == []


BUNDLE = b'{"bundle_id": "b1", "primary_product": "p1", "bundle_items": ["p2"], "discount": 0.1}'
LIST = encode_list([Pair("p2", 4.0, 9.0)])


def test_bundles_and_lists_of_partners_come_and_go_and_come_back_after_a_restart() -> None:
    chooser, reference = opened()
    assert reference.apply(BUNDLE_RECORD, b"b1", BUNDLE) == "bundle/b1"
    assert reference.apply(CANDIDATES_RECORD, b"together/bought/p1", LIST) == "candidates/together/bought/p1"
    restored, again = opened()
    again.restore([("bundle/b1", BUNDLE), ("candidates/together/bought/p1", LIST)])
    for held in (chooser, restored):
        assert held.shelf.bundles.parts_with(["p1"], 1) == ["p2"]
        assert list(held.shelf.together.bought_with("p1")) == [("p2", 4.0)]
    assert reference.apply(BUNDLE_RECORD, b"b1", None) == "bundle/b1"
    assert reference.apply(CANDIDATES_RECORD, b"together/bought/p1", None) == "candidates/together/bought/p1"
    assert (len(chooser.shelf.bundles), len(chooser.shelf.together)) == (0, 0)
    assert reference.apply(CANDIDATES_RECORD, b"together", LIST) is None


def test_what_had_to_make_room_is_to_leave_broadcast_state() -> None:
    chooser = Chooser(settings(bundles={"max": 1}, together={"max_products": 1}), np.random.default_rng(1))
    reference = ReferenceData(chooser)
    reference.apply(CANDIDATES_RECORD, b"together/viewed/p1", LIST)
    reference.apply(CANDIDATES_RECORD, b"together/viewed/p2", LIST)
    assert reference.drain_forgotten() == ["candidates/together/viewed/p1"]
    reference.apply(BUNDLE_RECORD, b"b1", BUNDLE.replace(b"}", b', "valid_until": 1}'))
    assert reference.apply(BUNDLE_RECORD, b"b2", BUNDLE.replace(b"b1", b"b2")) == "bundle/b2"
    assert reference.drain_forgotten() == ["bundle/b1"]
    answer = reference.apply(BUNDLE_RECORD, b"b3", BUNDLE.replace(b"b1", b"b3"))
    assert isinstance(answer, Rejection)
    assert (answer.reason, reference.drain_forgotten()) == ("bundles_full", [])


def test_a_list_of_another_release_is_refused() -> None:
    _, reference = opened()
    assert isinstance(reference.apply(CANDIDATES_RECORD, b"together/bought/p1", b"\x09"), Rejection)
    assert isinstance(reference.apply(BUNDLE_RECORD, b"b1", b"{}"), Rejection)


def test_what_an_earlier_release_held_and_this_one_refuses_leaves_broadcast_state() -> None:
    chooser, reference = opened()
    unsound = msgspec.structs.replace(WHOLE, counts=b"\x00")
    entries = [("model", unsound.encode()), ("candidates/category/c", b"\x01?"), ("bundle/b", b"{}")]
    assert reference.restore(entries) == 3
    assert reference.drain_forgotten() == ["model", "candidates/category/c", "bundle/b"]
    assert version(chooser) is None
