"""Names for the kernels."""

import ctypes

import pytest

from state.catalogue.name_column import NameColumn
from state.kernels import NAME_BYTES, UNNAMED


def told(names: NameColumn, number: int) -> str | None:
    """The name as a kernel reads it; None where it is not held."""
    name = ctypes.string_at(names.address + NAME_BYTES * number, NAME_BYTES)
    return None if name[0] == UNNAMED else name[1 : 1 + name[0]].decode()


@pytest.mark.parametrize("name", ["", "p", "é商品🛒", "a" * (NAME_BYTES - 1)])
def test_a_plain_name_is_held(name: str) -> None:
    names = NameColumn(4)
    names.put(3, name)
    assert told(names, 3) == name
    assert told(names, 2) == ""


@pytest.mark.parametrize("name", ['"', "\\", "\n", "a" * NAME_BYTES, "é" * (NAME_BYTES // 2)])
def test_what_is_long_or_written_otherwise_by_json_is_not(name: str) -> None:
    names = NameColumn(1)
    names.put(0, name)
    assert told(names, 0) is None


def test_another_name_takes_the_place_of_one_and_the_column_grows() -> None:
    names = NameColumn(1)
    names.put(0, "a" * NAME_BYTES)
    names.put(0, "long")
    names.put(0, "p")
    names.put(100, "q")
    assert (told(names, 0), told(names, 50), told(names, 100)) == ("p", "", "q")
