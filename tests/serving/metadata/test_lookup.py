"""Items of an answer with what a page shows of them."""

import asyncio
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.metadata import lookup as module
from serving.metadata.lookup import Lookup
from serving.metadata.store import Change, Reader, Writer
from serving.reader import Answer, Served, Source
from tests.serving.redis_data import profile_of

PATIENT_S = 60.0


def answer_of(items: int = 3) -> Answer:
    return Answer(profile_of("s", items=items), Served(Source.PROFILE, 0, 0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = Writer(tmp_path / "products.sqlite")
    writer.apply([Change("p1", b'{"title":"</script>","price":9.5,"url":"/p/1"}'), Change("p2", b"{}")], {0: 1})
    writer.close()
    return tmp_path / "products.sqlite"


def add(path: Path, answers: Sequence[Answer], left_s: float = PATIENT_S) -> list[dict[str, Any]]:
    async def scenario() -> list[Answer]:
        lookup = Lookup(path)
        try:
            return await asyncio.gather(*(lookup.add_to(answer, left_s) for answer in answers))
        finally:
            lookup.close()

    return [json.loads(answer.content) for answer in asyncio.run(scenario())]


def test_known_products_get_their_fields_and_all_else_stays(path: Path) -> None:
    plain, (rich,) = json.loads(profile_of("s")), add(path, [answer_of()])
    first = {**plain["score_data"][0], "title": "</script>", "price": 9.5, "url": "/p/1"}
    assert rich["score_data"] == [first, *plain["score_data"][1:]]
    assert {**rich, "score_data": None} == {**plain, "score_data": None}


def test_answers_of_one_tick_are_one_look_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    find = Reader.find

    def counted(reader: Reader, ids: Sequence[str]) -> dict[str, bytes]:
        asked.append(list(ids))
        return find(reader, ids)

    monkeypatch.setattr(Reader, "find", counted)
    add(path, [answer_of()] * 50)
    assert asked == [["p1", "p2", "p3"]]


def test_an_answer_with_other_metadata_has_another_tag(path: Path) -> None:
    async def scenario() -> Answer:
        lookup = Lookup(path)
        try:
            return await lookup.add_to(answer_of(), PATIENT_S)
        finally:
            lookup.close()

    assert asyncio.run(scenario()).etag != answer_of().etag


@pytest.mark.parametrize("items", [1, 20])
def test_without_a_file_answers_go_out_as_they_are(tmp_path: Path, items: int) -> None:
    assert add(tmp_path / "none", [answer_of(items)]) == [json.loads(profile_of("s", items=items))]


def test_a_disk_that_hangs_costs_the_metadata_and_not_the_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(reader: Reader, ids: Sequence[str]) -> dict[str, bytes]:
        released.wait(PATIENT_S)
        return {}

    monkeypatch.setattr(Reader, "find", hang)
    try:
        assert add(path, [answer_of()], left_s=0.01) == [json.loads(profile_of("s"))]
    finally:
        released.set()


def test_more_answers_than_may_wait_go_out_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    rich = add(path, [answer_of()] * 3)
    assert ["title" in one["score_data"][0] for one in rich] == [True, True, False]
