"""The picture of a profile changing: `python -m benchmarks.picture` writes `docs/images/profile.svg`, the same every time.

The profiles are made by the pure core, as in the job, over the demo's catalogue. Some made-up visitors come first, so that
there is a model; what is drawn is what `heliotrope profile` shows, with one reason for
each item, because more of them take the room of the other columns.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.rule import Rule
from rich.terminal_theme import MONOKAI

from benchmarks.in_process import InProcess
from cli.profile.view import profile_view
from jobs.settings import settings_from
from state.catalogue.product import Product, read_product
from state.events.event import Event

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "profile.svg"
SEED = 20_251_129
START_MS = 1_763_770_000_000
SECOND_MS = 1_000
WIDTH = 108
ITEMS = 5
VISITORS = 1_200
VISITOR = "visitor-1"
STORY = (
    ("after a first click", (("product_view", "coffee-03", 0),)),
    (
        "after three more: another view, a cart, a look at cycling",
        (("product_view", "coffee-11", 20), ("add_to_cart", "coffee-11", 45), ("product_view", "cycling-04", 70)),
    ),
)


def products() -> list[Product]:
    """The demo's catalogue."""
    lines = (ROOT / "conf" / "demo" / "catalogue.jsonl").read_bytes().splitlines()
    return [product for product in map(read_product, lines) if isinstance(product, Product)]


def teach(heliotrope: InProcess, random: np.random.Generator, now_ms: int) -> int:
    """Send visitors who each like one category and click on its items; give the time after the last."""
    names = [product.product_id for product in products()]
    for visitor in range(VISITORS):
        session, liked = f"earlier-{visitor}", names[int(random.integers(len(names)))]
        effect = send(heliotrope, now_ms, session, "product_view", product_id=liked)
        for _ in range(3):
            now_ms += 2 * SECOND_MS
            shown = [item["product_id"] for item in effect["score_data"][:8]]
            send(heliotrope, now_ms, session, "impression", decision_id=effect["decision_id"], shown=shown)
            wanted = [name for name in shown if name.split("-")[0] == liked.split("-")[0]]
            if wanted and random.random() < 0.6:
                now_ms += SECOND_MS
                clicked = wanted[int(random.integers(len(wanted)))]
                effect = send(heliotrope, now_ms, session, "product_view", product_id=clicked)
        now_ms += SECOND_MS
    return now_ms


def send(heliotrope: InProcess, now_ms: int, session: str, event_type: str, **fields: Any) -> dict[str, Any]:
    """Apply one event; give the profile that it brings about, empty if none."""
    known = {"session_id": session, "event_type": event_type, "timestamp": now_ms - 10, "event_id": str(now_ms)}
    effect = heliotrope.apply(msgspec.convert(known | fields, Event), now_ms)
    return {} if effect.write is None else dict(msgspec.json.decode(effect.write.profile))


def story() -> Iterator[tuple[str, dict[str, Any], int]]:
    """Each chapter's title, the visitor's profile then, and when."""
    heliotrope = InProcess(settings_from({"profile": {"min_interval": 0}}), SEED, publish_every=500)
    for known in products():
        heliotrope.chooser.catalogue.put(known)
    heliotrope.chooser.refresh(START_MS)
    begin_ms = teach(heliotrope, np.random.default_rng(SEED), START_MS) + SECOND_MS
    heliotrope.publish(begin_ms)
    for title, events in STORY:
        profile: dict[str, Any] = {}
        now_ms = begin_ms
        for event_type, product, after_s in events:
            now_ms = begin_ms + after_s * SECOND_MS
            profile = send(heliotrope, now_ms, VISITOR, event_type, product_id=product)
        for item in profile["score_data"]:
            item["reasons"] = item["reasons"][:1]
        yield title, profile, now_ms + 15


def draw() -> str:
    """The picture as SVG that loads nothing from elsewhere."""
    titles = {product.product_id: product.title or product.product_id for product in products()}
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for title, profile, now_ms in story():
        console.print(Rule(title, style="dim"))
        console.print(profile_view(profile, now_ms, titles, ITEMS))
    svg = console.export_svg(title="heliotrope profile visitor-1", theme=MONOKAI, unique_id="profile")
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    return re.sub(r"\n\s*\n+", "\n", svg).replace("Fira Code", "ui-monospace, Menlo, Consolas")


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
