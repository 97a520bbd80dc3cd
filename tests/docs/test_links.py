"""Links in the documents lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]]+\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FOLDERS = ("docs", "conf", "docker")
OF_PACKAGES = ("clients/*/*.md", "examples/*/*.md")
"""Not below: a package's `node_modules` has documents of others."""
DOCUMENTS = sorted(
    (
        *ROOT.glob("*.md"),
        *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md")),
        *(path for pattern in OF_PACKAGES for path in ROOT.glob(pattern)),
    )
)


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as renderers make them: small letters, no punctuation, hyphens for blanks."""
    plain = (re.sub(r"[`*]|\[([^\]]+)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_its_heading(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for path, anchor in LINK.findall(text):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{path} is not there"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{path}#{anchor} has no such heading"
