"""A profile on a console."""

import io
from typing import Any

import pytest
from rich.console import Console

from cli.errors import UserError
from cli.profile.verb import decode_profile
from cli.profile.view import profile_view

NOW_MS = 1_763_770_010_000
PROFILE: dict[str, Any] = {
    "schema": 1,
    "generation": 1,
    "version": 17,
    "session_id": "visitor [bold]",
    "updated_at": NOW_MS - 2_500,
    "status": "warming",
    "policy": "lin_ucb",
    "variant": "default",
    "model_version": NOW_MS - 61_000,
    "score_data": [
        {
            "product_id": "p1",
            "score": 0.184,
            "propensity": 0.81,
            "explored": False,
            "pinned": False,
            "reasons": [{"code": "category_affinity", "category_id": "c3", "share": 0.41}],
        },
        {"product_id": "p2", "score": 0.1, "propensity": 0.01, "explored": True, "reasons": [{"code": "exploration"}]},
        {"product_id": "p3", "score": 0.1, "propensity": 1.0, "explored": False, "pinned": True, "reasons": []},
    ],
    "category_data": [{"category_id": "c3", "score": 0.31}],
    "bundled_discount_suggestions": [{"primary_product": "p1", "bundle_items": ["p7"], "discount": 0.15, "score": 0.2}],
    "trending_recommendations": [{"product_id": "p4", "region": "EU", "count": 321, "score": 0.12}],
    "affinities": {"products": {"p1": 2.7, "p9": -1.0}, "categories": {"c3": 3.3, "c1": 1.1}},
    "windows": {"5m": {"product_view": 3}, "1h": {"product_view": 9, "add_to_cart": 1}},
    "counts": {"applied": 17, "duplicates": 2, "dropped": 0},
    "last_event": {"event_id": "e", "event_type": "product_view", "timestamp": NOW_MS - 3_000},
}


def shown(profile: dict[str, Any], terminal: bool = False, titles: dict[str, str] | None = None) -> str:
    console = Console(
        file=io.StringIO(), width=120, force_terminal=terminal, color_system="truecolor" if terminal else None
    )
    console.print(profile_view(profile, NOW_MS, titles or {}))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_everything_of_the_profile_is_shown() -> None:
    text = shown(PROFILE, titles={"p2": "Copper Kettle"})
    for part in (
        "visitor [bold]",
        "warming",
        "lin_ucb (default)",
        "model 1 min 1 s old",
        "version 17",
        "2.5 s ago",
        "0.1840",
        "0.8100",
        "because you like c3 (41 %)",
        "Copper Kettle",
        "explored",
        "pinned",
        "████████████████",
        "c3 0.31",
        "p1 + p7 at −15 %",
        "trending in EU: p4 (321)",
        "add to cart",
        "applied 17, duplicates 2, dropped 0",
        "last event product view",
    ):
        assert part in text, part


def test_without_a_terminal_there_are_no_control_codes() -> None:
    assert "\x1b" not in shown(PROFILE)
    assert "\x1b" in shown(PROFILE, terminal=True)


def test_the_larger_affinity_has_the_longer_bar() -> None:
    lines = shown(PROFILE).splitlines()
    [strong] = [line for line in lines if "c3  █" in line]
    [weak] = [line for line in lines if "c1  █" in line]
    assert strong.count("█") == 16
    assert weak.count("█") == 5


@pytest.mark.parametrize("width", [60, 80, 120, 136, 200])
def test_a_narrow_console_shows_it_below_each_other(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    console.print(profile_view(PROFILE, NOW_MS))
    file: Any = console.file
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    beside = any(("0.1840" in line and "█" in line) or ("category affinity" in line and "#" in line) for line in lines)
    assert beside == (width >= 136)


@pytest.mark.parametrize("field", sorted(PROFILE))
def test_a_profile_of_another_release_may_lack_anything(field: str) -> None:
    assert shown({name: value for name, value in PROFILE.items() if name != field})
    assert shown({**PROFILE, field: None}) if field not in ("affinities", "windows", "counts") else True


def test_an_empty_list_names_the_fix() -> None:
    assert "heliotrope catalog load" in shown({**PROFILE, "score_data": []})


def test_what_is_no_profile_is_an_error() -> None:
    with pytest.raises(UserError, match=r"redis\.prefix"):
        decode_profile(b"[1]", "s")
