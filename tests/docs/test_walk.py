"""The walk of one payload in `docs/architecture.md` names functions that are where it says."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
WALK = (DOCS / "architecture.md").read_text(encoding="utf-8").partition("## The walk")[2].partition("\n## ")[0]
STEPS = re.findall(r"`(\w+)`(?: \| |\s+\()\[[^\]]+\]\(([^)]+\.py)\)", WALK)


def test_the_walk_has_its_steps() -> None:
    assert len(STEPS) > 40


@pytest.mark.parametrize(("function", "room"), STEPS, ids=lambda value: value)
def test_a_step_of_the_walk_is_a_function_of_its_room(function: str, room: str) -> None:
    assert re.search(rf"^ *def {function}\(", (DOCS / room).read_text(encoding="utf-8"), re.MULTILINE)
