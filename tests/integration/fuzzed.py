"""Lines that nobody thought of, made by Hypothesis from a fixed seed: good events, broken in every way that it finds."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed
from hypothesis import settings as trials
from hypothesis import strategies as st

from state.events.event import EVENT_TYPES

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=24)
"""With halves of surrogate pairs, controls and what no character is."""
ANY_NUMBER = st.integers(-(2**70), 2**70) | st.floats()
ANY_JSON = st.recursive(
    st.none() | st.booleans() | ANY_NUMBER | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
KEYS = st.binary(max_size=12)
TYPES = [name for name in EVENT_TYPES if name not in ("consent", "erase")]
"""Those two change what is counted for a session; they have tests of their own."""


def lines(good: Callable[[str], dict[str, Any]], fields: list[str]) -> st.SearchStrategy[bytes]:
    """Any bytes, any JSON, or a good record with fields that are anything or with bytes that are."""
    broken = st.builds(
        lambda kind, changes: json.dumps(good(kind) | changes).encode(),
        st.sampled_from(TYPES),
        st.dictionaries(st.sampled_from(fields) | ANY_TEXT, ANY_JSON, max_size=2),
    )
    return st.binary(max_size=40) | ANY_JSON.map(lambda value: json.dumps(value).encode()) | broken | _spliced(broken)


def generated(line: st.SearchStrategy[bytes], count: int, number: int) -> list[tuple[bytes, bytes]]:
    """So many records, (key, value), of the seed `number`, the same each time."""
    found: list[tuple[bytes, bytes]] = []

    @seed(number)
    @trials(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(KEYS, line)
    def collect(key: bytes, value: bytes) -> None:
        found.append((key, value))

    collect()
    return found


def _spliced(line: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """With some bytes in the place of others."""
    return st.builds(
        lambda value, at, length, new: value[: at % len(value)] + new + value[at % len(value) + length :],
        line,
        st.integers(0, 400),
        st.integers(0, 6),
        st.binary(max_size=6),
    )
