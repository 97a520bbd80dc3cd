"""Whatever bytes a reader is given, it raises one error or gives what it promises: flipped, cut, of other types, far too long."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from state.catalogue.assortment.applying import Version
from state.catalogue.assortment.category import Category
from state.catalogue.assortment.directory import Entry
from state.catalogue.assortment.facts import pack, read_stored
from state.catalogue.assortment.facts import stored as stored_product
from state.catalogue.assortment.message import Act, Message, encode_message, read_messages
from state.catalogue.assortment.message import Change as ProductChange
from state.catalogue.assortment.records import CategoryRecord, ProductRecord, read_category, read_listed_product
from state.catalogue.assortment.tally import Tally
from state.catalogue.product import Product
from state.codec import UnreadableError
from state.configuration import Together
from state.feature_set import DIMENSION
from state.model.archive import Archive
from state.model.change import LiveModel
from state.model.drift import DriftState, DriftWatches
from state.model.learner import LearnerShard, ShardUpdate
from state.model.merger import Merger, ModelConditions, refuse_unusable
from state.model.model_input import Command, encode_update, read_model_input
from state.model.predictor import Predictor
from state.model.river.codec import decode, encode
from state.model.river.learner import RiverLearner, create
from state.model.snapshot import Snapshot
from state.model.sums import Sums
from state.popularity.baseline import Baseline
from state.popularity.listing import Listing
from state.popularity.moments import Moment, Moments
from state.session.forms import decode_session
from state.session.hint import Hint
from state.together.listing import decode_list
from state.together.periods import read_chunk
from state.together.row import Row
from state.together.shard import Shard
from state.users.user import User
from tests.state.model.test_learning import base_of, made_examples
from tests.state.shop import T0, make_merger

GOLDEN = Path(__file__).parent / "golden"
BOUND = hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
CONDITIONS = make_merger().conditions
SNAPSHOT = base_of(made_examples(1, 30))
FACTS = pack(Product("p", "c", price=9.5))


class Reader(NamedTuple):
    """A kind of bytes: a good one, and what reads it to the end."""

    good: bytes
    read: Callable[[bytes], Any]


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.bin").read_bytes()


def taken(data: bytes) -> None:
    """As the operators take a record of the model's topic."""
    live = LiveModel()
    live.apply(SNAPSHOT.encode())
    live.apply(data)


def told(data: bytes) -> None:
    """As the model operator takes what it is told."""
    message, merger = read_model_input(data), Merger(CONDITIONS, "here", T0)
    if isinstance(message, ShardUpdate):
        merger.absorb(message, T0)
        Predictor(merger.snapshot(T0))
    elif isinstance(message, Command):
        snapshot = Snapshot.decode(message.snapshot)
        refuse_unusable(snapshot, snapshot_terms(snapshot), T0)


def snapshot_terms(snapshot: Snapshot) -> ModelConditions:
    """ModelConditions that this snapshot meets, so that nothing but its own soundness can refuse it."""
    return msgspec.structs.replace(
        CONDITIONS, feature_set=snapshot.feature_set, variant=snapshot.variant, form=snapshot.form,
        learned_from=snapshot.learned_from, dimension=DIMENSION,
    )  # fmt: skip


def learner_shard() -> LearnerShard:
    shard = LearnerShard("default/0", Sums(DIMENSION, None))
    shard.learn(made_examples(3, 5))
    return shard


def listed(data: bytes) -> None:
    Category(3, 3, Tally()).decode_lists(data)


READERS = {
    "session": Reader(golden("session-1"), lambda data: decode_session(data).slates),
    "learner shard": Reader(golden("learner-shard-2"), LearnerShard.decode),
    "merger": Reader(golden("merger-2"), lambda data: Merger.decode(data, CONDITIONS).sums()),
    "snapshot": Reader(SNAPSHOT.encode(), lambda data: Predictor(Snapshot.decode(data))),
    "live model": Reader(golden("change-1"), taken),
    "sums": Reader(SNAPSHOT.sums, Sums.decode),
    "update": Reader(encode_update(learner_shard().drain_update()), told),
    "command": Reader(Command("import", T0, SNAPSHOT.encode()).encode(), told),
    "archive": Reader(Archive([T0, T0 + 1]).encode(), Archive.decode),
    "watches": Reader(DriftWatches().encode(), DriftWatches.decode),
    "river": Reader(create("river.bandit.EpsilonGreedy", {"epsilon": 0.1}).encode(), RiverLearner.decode),
    "hint": Reader(golden("hint-1"), Hint.decode),
    "user": Reader(golden("user-1"), User.decode),
    "baseline": Reader(golden("baseline-1"), Baseline.decode),
    "popularity list": Reader(golden("popularity-1"), Listing.decode),
    "moment": Reader(golden("moment-1"), Moment.decode),
    "moments": Reader(golden("moments-1"), Moments.decode),
    "partners": Reader(golden("together-list-1"), decode_list),
    "row of partners": Reader(golden("together-row-1"), Row.decode),
    "shard of partners": Reader(
        golden("together-shard-1"), lambda data: Shard.open("bought/0/1", data, Together())
    ),
    "chunk": Reader(msgspec.msgpack.encode(["a", "b"]), read_chunk),
    "category": Reader(CategoryRecord("c", T0, 1, 0, 0.0, 0, 0.0, ["p"], FACTS).encode(), read_category),
    "listed product": Reader(ProductRecord("c", T0, FACTS).encode(), read_listed_product),
    "messages": Reader(
        encode_message(Message(T0, [ProductChange(Act.ADD, "p", FACTS)])), lambda data: read_messages([data])
    ),
    "tally": Reader(Version(T0).encode(Tally()), Version.decode),
    "category's lists": Reader(Category(3, 3, Tally()).encode_lists(), listed),
    "directory entry": Reader(Entry("c", b"12345678", True).encode(), Entry.decode),
    "stored product": Reader(stored_product("p", FACTS), read_stored),
}  # fmt: skip

HOSTILE = (
    b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
    b"\xc1", b"\xd4\x05\x00", b"\xa1\xff", b"\x81\x91\x90\x01",
)  # fmt: skip
"""Nested too deep, longer than what follows, of no type, of foreign types, no UTF-8, a list as a key."""
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 1 << 40, -(1 << 62), (1 << 64) - 1, 1e308, float("nan"), float("inf"), "", "\x00", "x" * 300, b"",
     b"\x00" * 8, b"\xff" * 64, [], [[]], {}, {"": 1}, [None] * 50]
)  # fmt: skip


def read(reader: Reader, data: bytes) -> None:
    with suppress(UnreadableError):
        reader.read(data)


@pytest.mark.parametrize("kind", READERS)
def test_a_good_one_is_read_and_every_other_version_refused(kind: str) -> None:
    reader = READERS[kind]
    reader.read(reader.good)
    if kind not in ("archive", "chunk"):  # of no version
        with pytest.raises(UnreadableError):
            reader.read(b"\x7e" + reader.good[1:])
        with pytest.raises(UnreadableError):
            reader.read(b"")


@pytest.mark.parametrize("kind", READERS)
def test_hostile_ends_come_to_the_one_error(kind: str) -> None:
    reader = READERS[kind]
    for hostile in HOSTILE:
        for head in (reader.good[:1], reader.good[:2], reader.good[:3], b""):
            read(reader, head + hostile)


@pytest.mark.parametrize("kind", READERS)
@seed(21)
@BOUND
@given(data=st.data())
def test_flipped_and_cut_bytes_come_to_the_one_error(kind: str, data: st.DataObject) -> None:
    reader = READERS[kind]
    broken = bytearray(reader.good)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    read(reader, bytes(broken[: data.draw(st.one_of(st.none(), st.integers(0, len(broken))))]))


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind not in ("directory entry", "stored product")])
@seed(21)
@BOUND
@given(data=st.data())
def test_values_of_other_types_come_to_the_one_error(kind: str, data: st.DataObject) -> None:
    """The outer form stays what it was: a part of it is another value."""
    reader = READERS[kind]
    head = reader.good[: {"archive": 0, "chunk": 0, "live model": 2}.get(kind, 1)]
    tree = msgspec.msgpack.decode(reader.good[len(head) :])
    read(reader, head + msgspec.msgpack.encode(_with_another(tree, data)))


def _with_another(tree: Any, data: st.DataObject) -> Any:
    """The tree with one of its parts replaced; bytes of a version of ours are opened too."""
    if isinstance(tree, list) and tree and data.draw(st.integers(0, 7)):
        at = data.draw(st.integers(0, len(tree) - 1))
        return [*tree[:at], _with_another(tree[at], data), *tree[at + 1 :]]
    if isinstance(tree, dict) and tree and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(tree)))
        return tree | {key: _with_another(tree[key], data)}
    if isinstance(tree, bytes) and tree[:1] in (b"\x01", b"\x02") and data.draw(st.booleans()):
        try:
            return tree[:1] + msgspec.msgpack.encode(_with_another(msgspec.msgpack.decode(tree[1:]), data))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return tree[: data.draw(st.integers(0, len(tree)))]
    if isinstance(tree, bytes) and len(tree) >= 8 and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(tree) // 8 - 1))
        number = data.draw(st.sampled_from([float("nan"), float("inf"), -1e300, 1e300, -5.0, 0.0]))
        return tree[: 8 * at] + np.float64(number).tobytes() + tree[8 * at + 8 :]
    return data.draw(ODD)


def with_sums(**changes: Any) -> Snapshot:
    """The snapshot with other sums: attributes of `Sums` by name."""
    sums = Sums.decode(SNAPSHOT.sums)
    for name, value in changes.items():
        setattr(sums, name, value)
    return msgspec.structs.replace(SNAPSHOT, sums=sums.encode())


def other(**changes: Any) -> Snapshot:
    return msgspec.structs.replace(SNAPSHOT, **changes)


COUNT = len(SNAPSHOT.product_ids)
UNSOUND = {
    "nan sums": lambda: with_sums(a=np.full((DIMENSION, DIMENSION), np.nan)),
    "infinite b": lambda: with_sums(b=np.full(DIMENSION, np.inf)),
    "huge sums": lambda: with_sums(b=np.full(DIMENSION, 1e300)),
    "indefinite sums": lambda: with_sums(a=np.ones((DIMENSION, DIMENSION)) - 50 * np.eye(DIMENSION)[::-1]),
    "negative squares": lambda: with_sums(a=-np.eye(DIMENSION)),
    "negative exposures": lambda: with_sums(totals=np.array([-5.0, 0.0, 0.0])),
    "other dimension": lambda: other(sums=Sums(3, None).encode()),
    "no sums": lambda: other(sums=b""),
    "cut sums": lambda: other(sums=SNAPSHOT.sums[:-3]),
    "landmark to come": lambda: with_sums(half_life_ms=1, landmark_ms=T0 * 2),
    "fractional half-life": lambda: with_sums(half_life_ms=0),
    "half-lives out of order": lambda: with_sums(turns=[(T0, None), (T0 - 1, 5)]),
    "no ridge": lambda: other(ridge=0.0),
    "nan ridge": lambda: other(ridge=float("nan")),
    "no time": lambda: other(model_version=-1),
    "a product twice": lambda: other(product_ids=SNAPSHOT.product_ids[:1] * COUNT),
    "a product without a name": lambda: other(product_ids=["", *SNAPSHOT.product_ids[1:]]),
    "too long a name": lambda: other(product_ids=["x" * 4_000, *SNAPSHOT.product_ids[1:]]),
    "counts of fewer": lambda: other(counts=SNAPSHOT.counts[:-16]),
    "nan counts": lambda: other(counts=np.full(2 * COUNT, np.nan).tobytes()),
    "negative counts": lambda: other(counts=np.full(2 * COUNT, -5.0).tobytes()),
    "huge counts": lambda: other(counts=np.full(2 * COUNT, 1e200).tobytes()),
    "residuals of no product": lambda: other(residuals=b"\x00"),
    "nan residuals": lambda: other(residuals=np.full(2 * COUNT, np.nan, dtype="<f4").tobytes()),
    "another form": lambda: other(form="both"),
    "arms without the form": lambda: other(arms=b"\x00" * 8),
    "the form without arms": lambda: other(form="disjoint"),
    "nan drift": lambda: other(watched=[DriftState("default", 1, float("nan"))]),
    "too many bytes": lambda: other(river=b"\x00" * 600_000),
}  # fmt: skip


@pytest.mark.parametrize("how", UNSOUND)
def test_a_snapshot_that_is_not_sound_is_refused_before_anything_is_replaced(how: str) -> None:
    data = UNSOUND[how]().encode()
    live = LiveModel()
    live.apply(SNAPSHOT.encode())
    before = live.newest, live.predictor
    with pytest.raises(UnreadableError):
        live.apply(data)
    assert (live.newest, live.predictor) == before


def test_reading_is_bounded_in_memory() -> None:
    """Lengths that are claimed are not made room for: of features, of elements, of an array by name."""
    huge = msgspec.msgpack.encode([1 << 20, None, 0, 0, b""])
    with pytest.raises(UnreadableError):
        Sums.decode(b"\x02" + huge)
    names = ["copyreg:__newobj__", "numpy:ndarray"]
    tree = ["object", 0, [["name", 1], ["tuple", 1 << 40]], None, [], []]
    with pytest.raises(UnreadableError, match="no class"):
        decode(b"\x01" + msgspec.msgpack.encode([names, tree]))


def test_no_text_is_made_of_what_refers_to_itself() -> None:
    """A list of two lists of two lists… is short as bytes, and as text of any length."""
    names = ["copyreg:__newobj__", "builtins:str"]
    nested: Any = ["list"]
    for depth in range(60):
        nested = ["list", nested, ["ref", 60 - depth]]
    tree = ["object", 0, [["name", 1], nested], None, [], []]
    with pytest.raises(UnreadableError):
        decode(b"\x01" + msgspec.msgpack.encode([names, tree]))


def test_a_river_model_is_constructed_only_where_it_is_the_configured_one() -> None:
    ours = create("river.bandit.EpsilonGreedy", {"epsilon": 0.1})
    theirs = create("river.bandit.UCB", {"delta": 1.0})
    assert RiverLearner.decode(ours.encode(), ours.made_from).made_from == ours.made_from
    with pytest.raises(UnreadableError, match="another class"):
        RiverLearner.decode(theirs.encode(), ours.made_from)
    with pytest.raises(UnreadableError, match="it holds a UCB"):
        RiverLearner.decode(encode((ours.made_from, theirs.model)), ours.made_from)
