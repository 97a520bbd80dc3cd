"""`heliotrope explain` over topics that are lists, and on a console."""

import io
import json
from collections.abc import Iterator
from types import SimpleNamespace, TracebackType
from typing import Any, ClassVar

import msgspec
import pytest
from rich.console import Console

from cli.endpoints import Endpoints
from cli.errors import UserError
from cli.explain import history as module
from cli.explain.making import make_report
from cli.explain.reference import reference_topics
from cli.explain.report import Report
from cli.explain.verb import since_time
from cli.explain.view import report_view
from cli.options import Target
from cli.output import progress_bar
from operators import names
from state.catalogue.assortment.facts import pack
from state.catalogue.assortment.records import ProductRecord, product_key
from state.catalogue.product import Product
from state.session.hint import Hint
from tests.state.shop import SESSION, T0, Visit, event, settings, shop

SETTINGS = settings()
TARGET = Target(SETTINGS, Endpoints("", "", ""))
TOPICS = SETTINGS.kafka.topics
NOW_MS = T0 + 60_000


class ListReader:
    """Stands for `TopicReader`: a topic is a list of records."""

    topics: ClassVar[dict[str, list[Any]]] = {}
    asked: ClassVar[list[tuple[str, int]]] = []
    trimmed: ClassVar[bool] = False

    def __init__(self, target: Target, topic: str, since_ms: int = 0) -> None:
        self.asked.append((topic, since_ms))
        self.is_trimmed = self.trimmed
        self._records = [record for record in self.topics.get(topic, []) if record.timestamp >= since_ms]
        self.waiting = len(self._records)

    def to_end(self) -> Iterator[list[Any]]:
        yield self._records

    def __enter__(self) -> "ListReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


def record(value: bytes | None, at_ms: int, key: str = SESSION, offset: int = 0) -> Any:
    return SimpleNamespace(key=key.encode(), value=value, timestamp=at_ms, partition=0, offset=offset)


class Shop:
    """A visit whose records are in the topics."""

    def __init__(self) -> None:
        self.visit = Visit(shop(settings(bandit={"seed": 1})))
        self.topics: dict[str, list[Any]] = {TOPICS.candidate_lists: []}
        for i in range(40):
            made = Product(f"product-{i}", f"category-{i % 4}", price=10.0 + i, rating=1.0 + i % 5, rating_count=i)
            held = ProductRecord(made.category_id, 1, pack(made)).encode()
            self.topics[TOPICS.candidate_lists].append(record(held, T0, product_key(made.product_id).decode()))
        self._read = 0

    def send(self, what: Any, *, lag_ms: int = 10) -> None:
        self.visit.send(what, lag_ms=lag_ms)
        self.raw(msgspec.json.encode(what), what.timestamp + lag_ms)
        for effect in self.visit.effects[self._read :]:
            for each in effect.records:
                for line in each.value.split(b"\n") if each.kind in ("decisions", "outcomes") else ():
                    topic = TOPICS.decisions if each.kind == "decisions" else TOPICS.outcomes
                    self.topics.setdefault(topic, []).append(record(line, what.timestamp + lag_ms, each.key.decode()))
        self._read = len(self.visit.effects)

    def raw(self, value: bytes | None, at_ms: int, key: str = SESSION) -> int:
        events = self.topics.setdefault(TOPICS.user_interactions, [])
        events.append(record(value, at_ms, key, len(events)))
        return len(events) - 1

    def report(self, since_ms: int | None = None, asked: tuple[str, ...] = ()) -> Report:
        ListReader.topics = self.topics
        assert self.visit.profile is not None
        with progress_bar(Console(file=io.StringIO())) as bar:
            return make_report(TARGET, SESSION, self.visit.profile, NOW_MS, bar, since_ms, asked)


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(module, "TopicReader", ListReader)
    ListReader.asked, ListReader.trimmed = [], False
    made = Shop()
    made.send(event(at_ms=0, region="EU"))
    made.send(event("add_to_cart", 1_000))
    made.send(event(at_ms=2_000, product_id="product-6", category_id="category-2"))
    made.send(event("feedback", 3_000, product_id="product-5", feedback={"kind": "thumb", "value": -1}))
    made.send(made.visit.impression(4_000))
    made.send(event(at_ms=5_000, product_id="product-2", category_id=None))
    return made


def text_of(report: Report, width: int = 160, everything: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(report_view(report, everything))
    file: Any = console.file
    return str(file.getvalue())


def test_the_rebuilt_session_is_the_published_one(visited: Shop) -> None:
    report = visited.report()
    assert report.rebuilt.agrees, report.rebuilt
    assert report.fates == {"used": 6}
    assert [each.event_type for each in report.inputs][:2] == ["product_view", "impression"]
    assert report.explanation is not None
    assert [each.timestamp for each in report.explanation.events] == [
        T0 + at for at in (5_000, 4_000, 3_000, 2_000, 1_000, 0)
    ]
    published = report.profile["affinities"]["products"]
    assert {name: round(report.explanation.products[name], 4) for name in published} == published
    assert ("thumb_down", "product-5") in {(each.reason, each.product_id) for each in report.explanation.left_out}
    assert report.decisions[0].seen == 5
    assert report.since == report.profile["generation"]
    assert json.loads(msgspec.json.encode(report))["rebuilt"]["agrees"]


def test_every_item_has_sentences_terms_and_what_it_earned(visited: Shop) -> None:
    report = visited.report()
    assert [item.product_id for item in report.slate] == [i["product_id"] for i in report.profile["score_data"]]
    assert all(item.because for item in report.slate)
    assert {item.terms_of for item in report.slate} <= {"now", ""}
    assert any(item.terms for item in report.slate)
    assert {item.reward for item in report.slate} == {None}  # nobody has seen the newest list


def test_other_sessions_and_broken_records_are_told_apart(visited: Shop) -> None:
    other = msgspec.json.encode(event(at_ms=500, session_id="session-10"))
    visited.raw(other, T0 + 600, "session-10")
    names_it = json.dumps({"session_id": "b", "event_type": "search", "query": SESSION, "timestamp": T0})
    visited.raw(names_it.encode(), T0 + 700, "b")
    visited.raw(b"{no json of session-1", T0 + 800)
    visited.raw(b'{"session_id": "session-1", "event_type": "x", "timestamp": 1}', T0 + 900, "another-key")
    visited.raw(None, T0 + 950)
    late = msgspec.json.encode(event(at_ms=-1))
    visited.raw(late, T0 + 5_500)
    visited.topics[TOPICS.late_events] = [record(late, T0 + 5_500)]
    broken = visited.raw(msgspec.json.encode(event(at_ms=5_600)), T0 + 5_600)
    letter = {"reason": "internal_error", "topic": TOPICS.user_interactions, "partition": 0, "offset": broken}
    visited.topics[TOPICS.dead_letters] = [record(json.dumps(letter).encode(), T0 + 6_000), record(b"?", T0 + 6_000)]
    report = visited.report()
    assert report.fates == {"used": 6, "refused": 4, "late": 1}
    assert report.rebuilt.agrees
    details = {each.detail.partition(":")[0] for each in report.inputs if each.fate == "refused"}
    assert details == {"not_json", "unknown_event_type", "empty", "internal_error"}
    shown = text_of(report)
    assert "too late" in shown
    assert "internal_error" in shown


def test_what_is_missing_is_said_with_its_cause(visited: Shop) -> None:
    late_start = visited.report(since_ms=T0 + 1_500)
    assert not late_start.rebuilt.agrees
    assert any("--since" in cause for cause in late_start.rebuilt.missing)
    del visited.topics[TOPICS.user_interactions][:2]
    ListReader.trimmed = True
    ListReader.asked = []
    report = visited.report()
    assert any("retention" in cause for cause in report.rebuilt.missing)
    asked = [since_ms for topic, since_ms in ListReader.asked if topic == TOPICS.user_interactions]
    assert asked == [T0 + 10, NOW_MS - SETTINGS.session.ttl_ms]  # it looked further back before it gave up
    assert "differs from the profile" in text_of(report)


def test_what_is_read_begins_where_the_session_did(visited: Shop) -> None:
    visited.report()
    assert {since_ms for _, since_ms in ListReader.asked if since_ms} == {T0 + 10}


def test_a_session_of_which_nothing_is_kept_is_told_as_such(visited: Shop) -> None:
    visited.raw(msgspec.json.encode(event("erase", 9_000)), T0 + 9_010)
    report = visited.report()
    assert report.explanation is None
    assert report.consent["erased"] == T0 + 9_000
    shown = text_of(report)
    assert "erasures and withdrawals" in shown
    assert report.slate[0].product_id in shown


def test_the_view_shows_all_sections(visited: Shop) -> None:
    report = visited.report(asked=("nowhere",))
    report.profile["trending_recommendations"] = [{"product_id": "p4", "region": "EU", "count": 321, "score": 0.1}]
    report.profile["bundled_discount_suggestions"] = [
        {"primary_product": "p1", "bundle_items": ["p7"], "discount": 0.15, "score": 0.2}
    ]
    shown = text_of(report)
    for part in (
        SESSION,
        "active: 6 events",
        "the very affinities and counts",
        "EU",
        "time:",
        "events used, newest first (6)",
        "add to cart",
        "category-1 +",
        "likes categories",
        "the list as published",
        "because you",
        "p1 + p7 at −15 %",
        "trending in EU: p4 (321)",
        "candidates not in the list",
        "best rated",
        "others promise more",
        "left out",
        "the visitor gave it a thumb down",
        "nowhere",
        "not held by the job",
        "lists of the log",
        "5 of 20",
        "none of them repeats the published one",
    ):
        assert part in shown, part


def test_what_is_known_of_the_user_is_told_as_long_as_it_can_be_found(visited: Shop) -> None:
    visited.send(event(at_ms=6_000, user_id="ann", product_id="product-2", category_id=None))
    without = visited.report()
    assert without.explanation is not None
    assert without.explanation.user_known
    assert any("session_hints" in note for note in without.notes)
    hint = Hint("hash", T0, 8.0, {"product-3": 4.0}, {"category-3": 4.0}, ["product-11"])
    visited.topics[TOPICS.session_hints] = [record(b"?", T0 + 6_010), record(hint.encode(), T0 + 6_020)]
    report = visited.report()
    assert report.explanation is not None
    assert set(report.explanation.from_user) == {"category-3"}
    assert "category-3" not in report.explanation.categories
    assert {each.source for each in report.explanation.contenders if each.product_id == "product-11"} == {"user_lists"}
    assert report.rebuilt.agrees
    assert "from other sessions category-3" in text_of(report)


def test_long_lists_are_cut_unless_all_is_wanted(visited: Shop) -> None:
    for at in range(30):
        visited.send(event(at_ms=6_000 + at, product_id=f"product-{at}", category_id=None))
    report = visited.report()
    few, many = text_of(report), text_of(report, everything=True)
    assert "and 16 more: --all" in few
    assert "more: --all" not in many
    assert len(many.splitlines()) > len(few.splitlines())


@pytest.mark.parametrize("width", [60, 100, 200])
def test_no_line_is_wider_than_the_console(visited: Shop, width: int) -> None:
    assert max(map(len, text_of(visited.report(), width).splitlines())) <= width


def test_all_that_is_broadcast_is_read() -> None:
    kinds = {value for name, value in vars(names).items() if name.endswith("_RECORD")}
    assert set(reference_topics(TOPICS)) == kinds - {names.PRODUCT_RECORD}  # that is of an earlier release's state


def test_a_time_to_begin_with() -> None:
    assert since_time("6 h", NOW_MS) == NOW_MS - 6 * 3_600_000
    assert since_time("30min ago", NOW_MS) == NOW_MS - 30 * 60_000
    assert since_time("2026-11-27T00:00:00+00:00", NOW_MS) == 1_795_737_600_000
    for wrong in ("yesterday", "2026-11-27T00:00:00", "5"):
        with pytest.raises(UserError, match="--since"):
            since_time(wrong, NOW_MS)
