"""Records that would fail, or spoil every choice, only once they are used are refused when they are read."""

import struct
from math import nan

import pytest

from state.catalogue.assortment.records import CategoryRecord, ProductRecord, read_category, read_listed_product

FACTS = struct.pack("<B4d", 1, 9.5, 4.0, 12, 1_763_770_000_000)


@pytest.mark.parametrize("version", [-1, 2**53, 2**64 - 1])
def test_a_version_that_is_no_time_is_refused(version: int) -> None:
    with pytest.raises(ValueError, match="no time"):
        read_listed_product(ProductRecord("c", version, FACTS).encode())
    with pytest.raises(ValueError, match="no time"):
        read_category(CategoryRecord("c", version, 1, 1, 4.0, 1, 0.3, ["p"], FACTS).encode())


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("number", [float("inf"), -float("inf"), 1e300, -1e300])
def test_numbers_that_no_product_has_are_refused(at: int, number: float) -> None:
    numbers = [9.5, 4.0, 12.0, 0.0]
    numbers[at] = number
    facts = struct.pack("<B4d", 1, *numbers)
    with pytest.raises(ValueError, match="none can have"):
        read_listed_product(ProductRecord("c", 7, facts).encode())
    with pytest.raises(ValueError, match="none can have"):
        read_category(CategoryRecord("c", 7, 2, 1, 4.0, 1, 0.3, ["p", "q"], FACTS + facts).encode())


def test_means_that_are_no_numbers_are_refused_and_what_is_not_known_is_none() -> None:
    unknown = struct.pack("<B4d", 0, nan, nan, nan, nan)
    assert read_category(CategoryRecord("c", 7, 1, 0, 0.0, 0, 0.0, ["p"], unknown).encode()).product_ids == ["p"]
    with pytest.raises(ValueError, match="means"):
        read_category(CategoryRecord("c", 7, 1, 0, nan, 0, 0.0, ["p"], unknown).encode())
