"""The group that a session's exposures are counted in, for effects of categories by region, device and time of day."""

from collections.abc import Sequence

from state.configuration.groups import DEVICE, HOUR, LONGEST_BYTES, REGION

SEPARATOR = "\u2063"
"""Between the parts of a group; the invisible separator, which JSON writes as it stands. A name with one counts as not known."""
_UNFIT = frozenset((SEPARATOR, "\x1e", "\x1f"))
"""The others separate what `state/model/cells.py` names."""
_DEVICE, _HOUR = "device:", "time:"


def group_of(region: str, moment: Sequence[str], parts: int) -> str:
    """Return the group's name: the region alone where no more is told apart or known, else region, device and time of day with
    separators. Empty where nothing is known, and where it would be too long.

    `moment` are names as `moment_of` gives them, `parts` bits of `state.configuration.groups`.
    """
    device = _first(moment, _DEVICE) if parts & DEVICE else ""
    hour = _first(moment, _HOUR) if parts & HOUR else ""
    named = _whole(region) if parts & REGION or not parts else ""
    if not device and not hour:
        return named
    group = SEPARATOR.join((named, device, hour))
    return group if len(group.encode()) <= LONGEST_BYTES else ""


def parts_of_group(group: str) -> tuple[str, str, str]:
    """Return region, device and time of day, empty where they are not told apart or not known."""
    parts = group.rsplit(SEPARATOR, 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (group, "", "")


def region_alone(group: str) -> str:
    """Return the name of the group of which nothing but the region is known."""
    return parts_of_group(group)[0]


def _first(moment: Sequence[str], begin: str) -> str:
    return _whole(next((name[len(begin) :] for name in moment if name.startswith(begin)), ""))


def _whole(name: str) -> str:
    return name if _UNFIT.isdisjoint(name) else ""
