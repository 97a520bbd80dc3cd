"""Links from the documents to the code: on the pages they become the file's name, because the pages hold no code."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace links that leave `docs/`.

    Raises:
        FileNotFoundError: the file is not there.
    """
    folder = Path(page.file.abs_src_path).parent

    def shown(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {link[2]}, which is not there")
        if target.is_file() and target.is_relative_to(ROOT / "docs"):
            return link[0]
        return f"`{target.relative_to(ROOT)}`" if "`" not in link[1] else link[1]

    return LINK.sub(shown, markdown)
