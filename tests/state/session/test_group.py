"""The group that exposures are counted in: what of the region, the device and the time of day is told apart."""

import pytest

from state.configuration.groups import DEVICE, HOUR, LONGEST_BYTES, REGION
from state.kernels.core import regional
from state.session.group import SEPARATOR, group_of, parts_of_group

MOMENT = ["time:night", "season:winter", "device:phone", "device:of the context"]


@pytest.mark.parametrize(
    ("region", "moment", "parts", "expected"),
    [
        ("EU", MOMENT, REGION, "EU"),
        ("", MOMENT, REGION, ""),
        ("EU", MOMENT, DEVICE, f"{SEPARATOR}phone{SEPARATOR}"),
        ("EU", MOMENT, REGION | DEVICE | HOUR, f"EU{SEPARATOR}phone{SEPARATOR}night"),
        ("", ["time:night", "season:winter"], REGION | HOUR, f"{SEPARATOR}{SEPARATOR}night"),
        ("", ["season:winter"], REGION | DEVICE, ""),
        ("EU", ["season:winter"], REGION | DEVICE, "EU"),
        ("EU", ["season:winter"], DEVICE, ""),
        ("ö" * 100, MOMENT, REGION | DEVICE, ""),
        (f"EU{SEPARATOR}phone{SEPARATOR}", [], REGION, ""),
        (f"EU{SEPARATOR}", MOMENT, REGION | DEVICE, f"{SEPARATOR}phone{SEPARATOR}"),
        ("EU", [f"device:{SEPARATOR}"], REGION | DEVICE, "EU"),
    ],
)
def test_a_group_has_the_parts_that_are_told_apart(region: str, moment: list[str], parts: int, expected: str) -> None:
    assert group_of(region, moment, parts) == expected


def test_both_cores_have_the_same_parts() -> None:
    assert (regional.REGION, regional.DEVICE, regional.HOUR) == (REGION, DEVICE, HOUR)
    assert regional.LONGEST_BYTES == LONGEST_BYTES


def test_the_longest_group_is_held() -> None:
    rest = len(f"{SEPARATOR}phone{SEPARATOR}night".encode())
    region = "r" * (LONGEST_BYTES - rest)
    assert group_of(region, MOMENT, REGION | DEVICE | HOUR)
    assert not group_of(region + "r", MOMENT, REGION | DEVICE | HOUR)


def test_parts_come_out_of_a_group_as_they_went_in() -> None:
    assert parts_of_group(group_of("EU", MOMENT, REGION | DEVICE | HOUR)) == ("EU", "phone", "night")
    assert parts_of_group(group_of("EU", MOMENT, HOUR)) == ("", "", "night")
    assert parts_of_group("EU") == ("EU", "", "")
    assert parts_of_group("") == ("", "", "")
