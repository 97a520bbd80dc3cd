"""Public docstrings: a function's begins with an imperative, a class's with a noun."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("state", "operators", "jobs", "cli", "serving")
VERBS = """
Add Admit Allocate Answer Append Apply Ask Begin Bring Build Call Cancel Carry Check Close Compare Compile Complete Compute
Connect Continue Convert Copy Count Create Decide Decode Describe Divide Drain Draw Drop Encode End Enter Escape Examine
Explain Express Fetch Fill Find Finish Fire Forget Format Free Gather Give Go Hand Hold Import Index Insert Invert Judge Keep
Learn Leave Let Listen Load Log Look Lower Make Map Merge Move Name Note Observe Open Parse Poll Publish Put Queue Raise Read
Rebuild Receive Record Refuse Remember Remove Render Replace Replay Report Request Rescore Return Round Run Say Score See
Send Serve Set Settle Show Simulate Sort Split Start Step Stop Store Submit Subscribe Sum Supervise Take Unpack Update
Validate Verify Wait Watch Weigh Write Yield
"""
"""Beginnings of functions' docstrings; a new verb is welcome here."""
NO_NOUNS = "What Whether Which How Where When Why Who Whom As At By For From Of Over Under With"
NOUNS = "Counts Draws Lists Logs Names Notes Records Scores Sets Sums"
"""Verbs as well as nouns."""


def begins_well(node: ast.AST, word: str) -> bool:
    """Say whether a docstring may begin with this word."""
    if isinstance(node, ast.ClassDef):
        return word not in NO_NOUNS.split() and not is_verb(word)
    return word in VERBS.split()


def is_verb(word: str) -> bool:
    """Say whether it is a verb in the third person."""
    return word not in NOUNS.split() and any(
        word in (f"{verb}s", f"{verb}es", f"{verb[:-1]}ies") for verb in VERBS.split()
    )


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Say whether it is read as an attribute: its docstring is that of a value."""
    return any(ast.unparse(each).rpartition(".")[2] in ("property", "cached_property") for each in node.decorator_list)


def offenders(text: str) -> Iterator[str]:
    """Yield the names whose docstrings begin otherwise, with the word that they begin with."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        docstring = ast.get_docstring(node)
        if docstring is None or node.name.startswith("_") or is_property(node):
            continue
        word = re.split(r"[\s,.:;]", docstring, maxsplit=1)[0]
        if not begins_well(node, word):
            yield f"{node.name}: {word}"


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_begin_with_an_imperative_or_a_noun(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {offender}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for offender in offenders(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('def f():\n    """Whether it is so."""', ["f: Whether"]),
        ('def f():\n    """Returns it."""', ["f: Returns"]),
        ('def f():\n    """Return it."""', []),
        ('def _f():\n    """Whether it is so."""', []),
        ('class A:\n    """What it is."""', ["A: What"]),
        ('class A:\n    """Sends it."""', ["A: Sends"]),
        ('class A:\n    """Sender of it."""', []),
        ('class A:\n    @property\n    def n(self):\n        """Number of it."""', []),
    ],
)
def test_the_reader_tells_good_from_bad(text: str, expected: list[str]) -> None:
    assert list(offenders(text)) == expected
