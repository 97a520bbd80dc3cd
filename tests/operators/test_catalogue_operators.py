"""The two operators of the catalogue over fakes of Flink: what they tell, and what a restart leaves them."""

import json
from typing import Any

import pytest
from pyflink.common import Row

from operators.build import BUILD_ID
from operators.catalogue import assortment
from operators.catalogue.assortment import BUSY_INTERVAL_MS, MANY_CHANGES, AssortmentOperator
from operators.catalogue.directory import DirectoryOperator
from state.catalogue.assortment.facts import unpack
from state.catalogue.assortment.records import category_key, product_key, read_category, read_listed_product
from tests.operators.flink_fakes import Context, RuntimeContext
from tests.state.shop import settings

BEST, NEWEST = 3, 1
CONFIGURATION = settings(
    candidates={"per_category": BEST, "newest_per_category": NEWEST}, catalogue={"publish_interval": "60 s"}
)


class Job:
    """Both operators, one after the other, with records gathered as the job does."""

    def __init__(self) -> None:
        self.context, self.category_context = Context(), Context()
        self.runtime, self.category_runtime = RuntimeContext(self.context), RuntimeContext(self.category_context)
        self.offset = 0
        self.letters: list[dict[str, Any]] = []
        self.told: list[tuple[bytes, bytes | None]] = []
        self.restart()

    def restart(self) -> None:
        self.directory = DirectoryOperator("products", BUILD_ID)
        self.directory.open(self.runtime)
        self.assortment = AssortmentOperator(CONFIGURATION.candidates, CONFIGURATION.catalogue, BUILD_ID)
        self.assortment.open(self.category_runtime)

    def send(self, *products: dict[str, Any] | str, asked: tuple[str, ...] = ()) -> None:
        """Products, or ids of products to remove, and ids that are asked for."""
        keys, payloads, places = [], [], []
        for product in products:
            self.offset += 1
            name = product if isinstance(product, str) else str(product["product_id"])
            keys.append(name.encode())
            payloads.append(None if isinstance(product, str) else json.dumps(product).encode())
            places.append(f"0 {self.offset} 1763770000000 {name}")
        rows = Row(
            [*keys, *(name.encode() for name in asked)],
            [*payloads, *(None for _ in asked)],
            [*places, *("" for _ in asked)],
        )
        self.context.key = "7"
        self.pass_on(list(self.directory.process_element(rows, self.context)))

    def pass_on(self, rows: list[Row]) -> None:
        for category, message, kind, key, value in (row._values for row in rows):
            if category is not None:
                self.category_context.key = category
                told = list(self.assortment.process_element([message], self.category_context))
                self.told += [(row[0], row[1]) for row in told]
            elif kind == "dead_letters":
                self.letters.append(json.loads(value))
            else:
                self.told.append((key, value))

    def fire(self, category_id: str) -> None:
        """Fires the category's timer, at a time at which it may be published and read again."""
        self.category_context.key = category_id
        held = self.assortment._held.get(category_id)
        if held is not None:
            held.published_ms = held.refilled_ms = 0
        self.told += [(row[0], row[1]) for row in self.assortment.on_timer(0, self.category_context)]

    def listed(self, category_id: str) -> list[str]:
        self.fire(category_id)
        return self.newest(category_id)

    def newest(self, category_id: str) -> list[str]:
        """What was told last."""
        value = [value for key, value in self.told if key == category_key(category_id)][-1]
        assert value is not None
        return read_category(value).product_ids

    def count(self, name: str) -> int:
        counters = self.runtime.counters | self.category_runtime.counters
        return counters[name].count if name in counters else 0


def product(name: str, category_id: str = "c", **fields: Any) -> dict[str, Any]:
    return {"product_id": name, "category_id": category_id, "rating_count": 100} | fields


def test_a_category_is_told_at_its_time_and_the_loss_of_what_is_shown_at_once() -> None:
    job = Job()
    job.send(*(product(f"p{number}", rating=5 - number / 10) for number in range(5)))
    assert job.category_context.processing_timers
    assert job.told == []
    assert job.listed("c") == ["p0", "p1", "p2"]
    job.send("p1")
    assert job.newest("c") == ["p0", "p2", "p3"]
    job.send(product("p0", rating=5, stock=0))
    assert job.newest("c") == ["p2", "p3", "p4"]
    before = len(job.told)
    job.send(product("p2", rating=4.75), product("p9", rating=5))
    assert len(job.told) == before
    assert job.listed("c") == ["p9", "p2", "p3"]


def test_a_category_of_many_changes_is_told_of_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    job, now_ms = Job(), 1_763_770_000_000
    rules = settings(catalogue={"publish_interval": "1 s"})
    job.assortment = AssortmentOperator(rules.candidates, rules.catalogue, BUILD_ID)
    job.assortment.open(job.category_runtime)
    timers = job.category_context.processing_timers

    def fire_next() -> int:
        [(category_id, at_ms)] = timers
        timers.clear()
        monkeypatch.setattr(assortment, "wall_clock_ms", lambda: at_ms)
        job.category_context.key = category_id
        job.told += [(row[0], row[1]) for row in job.assortment.on_timer(at_ms, job.category_context)]
        return at_ms

    monkeypatch.setattr(assortment, "wall_clock_ms", lambda: now_ms)
    job.send(product("p", rating=1))
    first_ms = fire_next()
    job.send(product("q", rating=2))
    second_ms = fire_next()
    assert second_ms == first_ms + 1_000
    for number in range(MANY_CHANGES):
        job.send(product(f"r{number}", rating=3))
    assert fire_next() == second_ms + 1_000, "the timer of the first of them: there are too many by now"
    assert fire_next() == second_ms + BUSY_INTERVAL_MS
    assert len(job.told) == 3
    assert timers == set()
    assert len(job.newest("c")) == MANY_CHANGES + 2


def test_a_restart_at_any_time_changes_nothing() -> None:
    plain, restarted = Job(), Job()
    for step in range(60):
        products = [
            product(f"p{number}", f"c{number % 2}", rating=1 + (number * 7 + step) % 40 / 10, created_at=number)
            for number in range(step % 7, 40, 3)
        ]
        removed = [f"p{(step * 5 + 3) % 40}"]
        for job in (plain, restarted):
            job.send(*products, *removed)
        restarted.restart()
        if step % 5 == 0:
            assert plain.listed("c0") == restarted.listed("c0")
            assert plain.listed("c1") == restarted.listed("c1")
    assert plain.count("categories_refilled") > 0


def test_what_is_asked_for_is_told_then_and_whenever_it_changes() -> None:
    job = Job()
    job.send(*(product(f"p{number}", rating=5 - number / 10) for number in range(9)))
    job.fire("c")
    before = len(job.told)
    job.send(asked=("p8", "p8", "unknown"))
    [(key, value)] = job.told[before:]
    assert key == product_key("p8")
    assert read_listed_product(value or b"").category_id == "c"
    job.restart()
    job.send(product("p8", "other", rating=1, in_stock=False))
    moved = dict(job.told[before + 1 :])[product_key("p8")]
    assert moved is not None
    record = read_listed_product(moved)
    assert (record.category_id, unpack(record.facts).is_available) == ("other", False)
    job.send("p8")
    assert (product_key("p8"), None) in job.told
    job.fire("other")
    assert job.told[-1] == (category_key("other"), None)


def test_state_ends_with_the_last_product() -> None:
    job = Job()
    job.send(product("p"), product("q"), asked=("p",))
    job.fire("c")
    job.send("p", "q")
    job.fire("c")
    assert (category_key("c"), None) in job.told
    for states in (job.category_runtime.states, job.category_runtime.maps, job.category_runtime.lists):
        for state in states.values():
            stored = vars(state).get("_values") or vars(state).get("_maps") or vars(state).get("_lists")
            assert not stored
    assert list(job.runtime.maps["entries"].items()) == []
    assert job.assortment._held == {}


def test_a_removal_of_what_nobody_knows_is_passed_on() -> None:
    job = Job()
    job.send("stranger")
    assert job.told == [(product_key("stranger"), None)]


def test_what_is_no_product_is_a_dead_letter_with_its_place() -> None:
    job = Job()
    job.send({"product_id": "p"})
    [letter] = job.letters
    assert (letter["reason"], letter["topic"], letter["offset"]) == ("missing_field", "products", 1)
    assert job.count("dead_letters_missing_field") == 1
