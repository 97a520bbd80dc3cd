"""What SQL counted in a window, as text: the form is taken apart here and nowhere else.

The first line is the window's end in ms since the epoch. Each other one has four fields: the list's name, the kind, an id and a
count. Lines and fields are separated as those of accepted events are, so no id holds a separator.
"""

from collections.abc import Iterator

import msgspec

from state.events.accepted import FIELD, LINE

PRODUCT, CATEGORY, TOTAL = "p", "c", "t"
"""Kinds: a product's count, a category's, and the count of the list as a whole."""


class Counted(msgspec.Struct):
    """A list's counts in one window: the `total` over everything, and the most counted products and categories, as (id, count),
    the largest count first, equal ones by id."""

    total: int = 0
    products: list[tuple[str, int]] = []
    categories: list[tuple[str, int]] = []


def read_lists(text: str) -> tuple[int, dict[str, Counted]]:
    """Return the window's end, and its lists by name.

    A list without a count for the whole has the sum of what it names.

    Raises:
        ValueError: the text has another form.
    """
    end_ms, lines = _lines(text)
    lists: dict[str, Counted] = {}
    for name, kind, entry, count in lines:
        counted = lists.get(name)
        if counted is None:
            counted = lists[name] = Counted()
        if kind == PRODUCT:
            counted.products.append((entry, int(count)))
        elif kind == CATEGORY:
            counted.categories.append((entry, int(count)))
        else:
            counted.total = int(count)
    for counted in lists.values():
        counted.products.sort(key=_most_first)
        counted.categories.sort(key=_most_first)
        counted.total = counted.total or sum(count for _, count in counted.products)
    return end_ms, lists


def read_moments(text: str) -> tuple[int, dict[str, dict[str, int]]]:
    """Return the window's end, and by the moment's name, "" for all, how often each category was viewed.

    Raises:
        ValueError: the text has another form.
    """
    end_ms, lines = _lines(text)
    moments: dict[str, dict[str, int]] = {}
    for name, _, category, count in lines:
        moments.setdefault(name, {})[category] = int(count)
    return end_ms, moments


def _lines(text: str) -> tuple[int, Iterator[list[str]]]:
    head, *lines = text.split(LINE)
    return int(head), (line.split(FIELD) for line in lines)


def _most_first(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]
