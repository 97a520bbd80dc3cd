"""Asking for products: each once in a minute, so many in a second, within bounds."""

from state.catalogue.wanted import ASK_AGAIN_MS, MOST_REMEMBERED, MOST_WAITING, PER_SECOND, Wanted

T0 = 1_763_770_000_000


def test_each_product_is_asked_for_once_in_a_minute() -> None:
    wanted = Wanted()
    wanted.note(["a", "b", "a"])
    assert wanted.poll(T0) == ["a", "b"]
    wanted.note(["a", "c"])
    assert wanted.poll(T0 + 1) == ["c"]
    assert "a" in wanted
    assert wanted.poll(T0 + ASK_AGAIN_MS) == []
    wanted.note(["a"])
    assert wanted.poll(T0 + ASK_AGAIN_MS) == ["a"]


def test_what_has_come_may_be_asked_for_again_at_once() -> None:
    wanted = Wanted()
    wanted.note(["a", "b"])
    wanted.poll(T0)
    wanted.settle("a")
    wanted.note(["a", "b"])
    assert wanted.poll(T0 + 1) == ["a"]


def test_more_than_may_be_asked_for_waits_its_turn() -> None:
    wanted, names = Wanted(), [f"p{number}" for number in range(3 * PER_SECOND)]
    wanted.note(names)
    asked = wanted.poll(T0)
    assert asked == names[:PER_SECOND]
    assert wanted.poll(T0) == []
    half = wanted.poll(T0 + 500)
    assert len(half) == PER_SECOND // 2
    for second in range(1, 5):
        half += wanted.poll(T0 + 500 + second * 1_000)
    assert asked + half == names


def test_what_finds_no_room_is_counted_and_memory_is_bounded() -> None:
    wanted = Wanted()
    wanted.note(f"p{number}" for number in range(MOST_WAITING + 7))
    assert wanted.left_out == 7
    for second in range(150):
        wanted.note(f"q{second}-{number}" for number in range(PER_SECOND))
        wanted.poll(T0 + second * 1_000)
    assert len(wanted._asked_ms) <= MOST_REMEMBERED + PER_SECOND
    assert len(wanted._waiting) <= MOST_WAITING


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    wanted = Wanted()
    wanted.note(["a"])
    assert wanted.poll(T0) == ["a"]
    wanted.note(["b"])
    assert wanted.poll(T0 - 3_600_000) == ["b"]
