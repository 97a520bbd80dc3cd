"""Counts of what goes together: planted pairs are found, chance is not, and neither order nor sharding changes a count."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from state.configuration import Together
from state.events.accepted import ENTRY, FIELD
from state.together.listing import Pair, digest_of, partners_of
from state.together.row import Partner, Row
from state.together.shard import Shard
from state.together.tally import ALLOWANCE_MS, BOUGHT, VIEWED, Allowance, owner_of, within

T0 = 1_763_770_000_000
DAY = 24 * 3_600_000
RULES = Together()


def basket(*products: str, at_ms: int = T0) -> list[str]:
    """The lines of a checkout."""
    return [
        FIELD.join((str(at_ms // 1_000), product, ENTRY.join(other for other in products if other != product)))
        for product in products
    ]


def view(product: str, *before: str, at_ms: int = T0) -> list[str]:
    """The line of a view after others."""
    return [FIELD.join((str(at_ms // 1_000), product, ENTRY.join(before)))]


class Counts:
    """A shard over a plain dictionary; each gather goes through bytes."""

    def __init__(self, kind: str = BOUGHT, rules: Together = RULES, shard: str = "0/1") -> None:
        self.name, self.rules = f"{kind}/{shard}", rules
        self.head: bytes | None = None
        self.rows: dict[str, bytes] = {}
        self.chunks: dict[str, bytes] = {}
        self.shard = Shard.open(self.name, None, rules)

    def restart(self) -> None:
        """Goes on from what is stored."""
        self.shard = Shard.open(self.name, self.shard.encode(), self.rules)

    def count(self, lines: list[str], now_ms: int = T0) -> None:
        tally = self.shard.tally(lines, now_ms)
        self._hold(tally.singles)
        rows, chunks = self.shard.add(tally, now_ms)
        self.rows |= rows
        self.chunks |= chunks

    def lists(self) -> dict[bytes, bytes | None]:
        self._hold(self.shard.pending)
        records, rows = self.shard.lists()
        self.rows |= rows
        return dict(records)

    def partners(self, product: str) -> list[Pair]:
        return partners_of(Row.decode(self.rows[product]), self.shard.head.baskets, self.rules)

    def support(self, product: str, other: str) -> float:
        partner = Row.decode(self.rows[product]).partners.get(other)
        return 0.0 if partner is None else partner.support

    def _hold(self, products: Any) -> None:
        for product in self.shard.missing(products):
            self.shard.hold(product, self.rows.get(product))


def planted(seed: int, baskets: int) -> list[list[str]]:
    """Baskets with a bag in each, a pair of printer and ink in every fifth, and others by chance among 40 products."""
    rng = random.Random(seed)
    made = []
    for number in range(baskets):
        others = rng.sample([f"p{i}" for i in range(40)], 2)
        made.append(["bag", *(("printer", "ink") if number % 5 == 0 else others)])
    return made


def test_a_planted_pair_is_found_and_what_is_everywhere_is_nobodys_partner() -> None:
    counts = Counts()
    for products in planted(1, 1_000):
        counts.count(basket(*products))
    [pair] = counts.partners("printer")
    assert pair.product_id == "ink"
    assert pair.support == pytest.approx(200, rel=1e-3)
    assert pair.lift == pytest.approx(1_010 * 200 / (200 * 200), rel=1e-3)
    assert [found.product_id for found in counts.partners("ink")] == ["printer"]
    assert counts.partners("bag") == []
    everyone = {found.product_id for product in counts.rows for found in counts.partners(product)}
    assert "bag" not in everyone


def test_views_in_one_session_go_together_both_ways() -> None:
    counts, rng = Counts(VIEWED), random.Random(2)
    for number in range(300):
        counts.count(view("desk", "lamp") if number % 10 == 0 else view(*rng.sample([f"p{i}" for i in range(30)], 4)))
    assert [pair.product_id for pair in counts.partners("desk")] == ["lamp"]
    assert [pair.product_id for pair in counts.partners("lamp")] == ["desk"]


def test_the_first_pair_of_a_young_shop_is_no_chance() -> None:
    counts = Counts()
    for _ in range(5):
        counts.count(basket("printer", "ink"))
    assert [pair.product_id for pair in counts.partners("printer")] == ["ink"]


def test_too_little_support_is_no_partner() -> None:
    counts = Counts()
    for _ in range(2):
        counts.count(basket("printer", "ink"))
    assert counts.partners("printer") == []
    counts.count(basket("printer", "ink"))
    assert len(counts.partners("printer")) == 1


def test_counts_fall_to_half_in_a_half_life_and_a_pair_falls_out_of_the_list() -> None:
    counts = Counts()
    for _ in range(10):
        counts.count(basket("printer", "ink"))
    assert counts.lists().keys() == {b"together/bought/printer", b"together/bought/ink"}
    later_ms = T0 + RULES.half_life_ms
    counts.count(basket("printer", at_ms=later_ms), later_ms)
    assert counts.support("printer", "ink") == pytest.approx(5, rel=2e-3)
    much_later_ms = T0 + 2 * RULES.half_life_ms
    counts.count(basket("printer", "paper", at_ms=much_later_ms), much_later_ms)
    assert counts.support("printer", "ink") == pytest.approx(2.5, rel=2e-3)
    assert counts.lists() == {b"together/bought/printer": None}


def test_an_event_of_long_ago_counts_what_is_left_of_it() -> None:
    counts = Counts()
    counts.count(basket("printer", "ink", at_ms=T0 - RULES.half_life_ms))
    assert counts.support("printer", "ink") == pytest.approx(0.5, rel=2e-3)


def test_frequent_partners_stay_when_more_come_than_are_tracked() -> None:
    rules = Together(tracked=10, listed=3)
    counts, rng = Counts(rules=rules), random.Random(3)
    for number in range(2_000):
        counts.count(basket("printer", "ink" if number % 4 == 0 else f"p{rng.randrange(1_000)}"))
        if number % 3 == 0:
            counts.count(basket(*(f"q{i}" for i in rng.sample(range(100), 2))))
    row = Row.decode(counts.rows["printer"])
    assert len(row.partners) == 10
    assert row.partners["ink"].support <= 500.1
    assert row.partners["ink"].count >= 500
    [first, *rest] = counts.partners("printer")
    assert first.product_id == "ink"
    assert len(rest) <= 2


lines_of_views = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abcdef"), min_size=2, max_size=4, unique=True), st.integers(0, 60 * DAY // 1_000)
    ),
    min_size=1,
    max_size=30,
)


@trials(deadline=None, max_examples=60)
@given(lines_of_views, st.randoms(use_true_random=False), st.integers(1, 5), st.sampled_from((BOUGHT, VIEWED)))
def test_order_gathers_and_restarts_change_no_count(views: Any, rng: random.Random, size: int, kind: str) -> None:
    lines = [
        line
        for products, age_s in views
        for line in (basket if kind == BOUGHT else view)(*products, at_ms=T0 - 1_000 * age_s)
    ]
    straight, shuffled = Counts(kind), Counts(kind)
    straight.count(lines)
    rng.shuffle(lines)
    for start in range(0, len(lines), size):
        shuffled.count(lines[start : start + size], T0 + start)
        shuffled.restart()
    shuffled.count([], T0)
    assert straight.rows.keys() == shuffled.rows.keys()
    assert straight.shard.head.baskets == pytest.approx(shuffled.shard.head.baskets, rel=1e-3)
    for product, data in straight.rows.items():
        row, other = Row.decode(data), Row.decode(shuffled.rows[product])
        assert row.single == pytest.approx(other.single, rel=1e-3)
        assert row.partners.keys() == other.partners.keys()
        for name, partner in row.partners.items():
            assert partner.support == pytest.approx(other.partners[name].support, rel=1e-3)


@trials(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.floats(0.01, 5)), max_size=60), st.integers(1, 6))
def test_a_count_is_never_below_the_truth_and_its_support_never_above(pairs: Any, tracked: int) -> None:
    row, truth = Row(T0), dict[str, float]()
    for other, weight in pairs:
        row.add(other, weight, 1.0, tracked)
        truth[other] = truth.get(other, 0.0) + weight
    assert len(row.partners) <= tracked
    for other, partner in row.partners.items():
        assert partner.support <= truth[other] + 1e-9
        assert partner.count >= truth[other] - 1e-9
    total = sum(truth.values())
    for other, weight in truth.items():  # what is frequent is held: Metwally et al. 2005, theorem 2
        assert other in row.partners or weight <= total / tracked + 1e-9


def test_shards_count_the_same_together() -> None:
    whole, parts = Counts(), [Counts(shard=f"{number}/3") for number in range(3)]
    lines = [line for products in planted(4, 300) for line in basket(*products)]
    for counts in (whole, *parts):
        counts.count(lines)
    for product in whole.rows:
        assert parts[owner_of(product, 3)].partners(product) == whole.partners(product)


@pytest.mark.parametrize("most", [1, 7, 100, 5_000])
def test_a_gather_is_thinned_to_its_bound_and_a_lift_stays(most: int) -> None:
    lines = [line for products in planted(5, 1_000) for line in basket(*products)]
    random.Random(5).shuffle(lines)
    kept, left_out = within(lines, most)
    pairs = sum(line.count(ENTRY) + 1 for line in kept)
    assert pairs + left_out == 6_000
    assert pairs <= most + 1
    if most == 5_000:
        counts = Counts()
        counts.count(list(kept))
        assert counts.partners("printer")[0].lift == pytest.approx(1_010 / 200, rel=0.2)


def test_an_allowance_is_spent_at_once_or_bit_by_bit_and_comes_back_with_time() -> None:
    pairs = basket("a", "b")  # two lines of a pair each
    allowance = Allowance(100)
    assert allowance.allocate(pairs * 50, T0) == (pairs * 50, 0)  # a large basket after a quiet time
    kept, left_out = allowance.allocate(pairs * 50, T0)
    assert (len(kept), left_out) == (1, 99)
    kept, left_out = allowance.allocate(pairs * 50, T0 + ALLOWANCE_MS // 10)
    assert len(kept) + left_out == 100
    assert 5 <= len(kept) <= 10
    later_ms = T0 + 3 * ALLOWANCE_MS
    assert allowance.allocate(pairs * 50, later_ms) == (pairs * 50, 0)
    assert allowance.allocate(pairs * 50, later_ms)[1] == 99  # no more than one allowance had been saved up


def test_an_allowance_outlives_a_clock_that_is_set_back() -> None:
    allowance = Allowance(10)
    allowance.allocate(basket("a", "b"), T0)
    assert allowance.allocate(basket("a", "b"), T0 - ALLOWANCE_MS) == (basket("a", "b"), 0)


def test_lines_that_say_no_time_are_counted_and_left_out() -> None:
    tally = Shard.open("bought/0/1", None, RULES).tally(["", f"x{FIELD}a{FIELD}b", *basket("a", "b")], T0)
    assert tally.unreadable == 2
    assert tally.baskets == pytest.approx(1, rel=1e-3)


def test_a_partner_whose_own_count_has_all_but_decayed_counts_as_often_as_the_pair() -> None:
    """Beside what was counted today its count of decades ago is next to nothing, and the lift would be no number."""
    row = Row(0)
    row.count(3_000.0)
    row.partners = {
        "a": Partner(3_000.0, 0.0, 4e-308),
        "b": Partner(1_000.0, 0.0, 1_000.0),
        "c": Partner(9.0, 0.0, 1e-290),
    }
    pairs = partners_of(row, 1e6, Together())
    assert [pair.product_id for pair in pairs] == ["a", "b", "c"]
    assert all(pair.lift == pytest.approx(1e6 / 3_000, rel=0.1) for pair in pairs)
    assert digest_of(pairs)
