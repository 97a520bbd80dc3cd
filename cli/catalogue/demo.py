"""The demo catalogue: `python -m cli.catalogue.demo > conf/demo/catalogue.jsonl` writes the very same file every time."""

import sys
from typing import Any

import msgspec
import numpy as np

SEED = 20_251_122
PRODUCTS_PER_CATEGORY = 30
UNRATED_SHARE = 0.2
NEWEST_MS = 1_763_596_800_000  # 2025-11-20, so that the file does not depend on the day on which it is made
OLDEST_AGE_DAYS = 730
DAY_MS = 86_400_000
REVIEWS_MEDIAN = 60

# Category: (lowest and highest price, what it is like, what it is).
CATEGORIES: dict[str, tuple[tuple[float, float], tuple[str, ...], tuple[str, ...]]] = {
    "audio": (
        (15, 400),
        ("Wireless", "Studio", "Compact", "Noise-Cancelling", "Retro"),
        ("Headphones", "Earbuds", "Bookshelf Speaker", "Soundbar", "Turntable", "Microphone"),
    ),
    "bags": (
        (20, 220),
        ("Canvas", "Leather", "Roll-Top", "Foldable", "Waxed"),
        ("Backpack", "Tote", "Messenger Bag", "Weekender", "Wash Bag", "Sling"),
    ),
    "bath": (
        (6, 90),
        ("Organic Cotton", "Bamboo", "Lavender", "Waffle", "Sea Salt"),
        ("Bath Towel", "Bath Mat", "Soap Set", "Bathrobe", "Body Scrub", "Shower Caddy"),
    ),
    "books": (
        (8, 60),
        ("Illustrated", "Pocket", "Annotated", "Signed", "Large-Print"),
        ("Atlas", "Cookbook", "Field Guide", "Novel", "History", "Sketchbook"),
    ),
    "coffee": (
        (7, 500),
        ("Single-Origin", "Cold Brew", "Ceramic", "Stainless", "Hand-Cranked"),
        ("Beans", "Grinder", "Pour-Over Set", "Espresso Machine", "Kettle", "Mug"),
    ),
    "cycling": (
        (10, 350),
        ("Carbon", "Reflective", "Waterproof", "Touring", "Folding"),
        ("Helmet", "Pannier", "Lock", "Saddle", "Front Light", "Tool Kit"),
    ),
    "garden": (
        (5, 180),
        ("Copper", "Raised", "Terracotta", "Self-Watering", "Heirloom"),
        ("Planter", "Watering Can", "Seed Mix", "Secateurs", "Bird Feeder", "Hose Reel"),
    ),
    "kitchen": (
        (9, 320),
        ("Cast-Iron", "Copper", "Non-Stick", "Walnut", "Enamel"),
        ("Skillet", "Stockpot", "Chopping Board", "Chef's Knife", "Mixing Bowls", "Casserole"),
    ),
    "lighting": (
        (18, 260),
        ("Brass", "Dimmable", "Paper", "Clip-On", "Smart"),
        ("Desk Lamp", "Pendant", "Floor Lamp", "Night Light", "String Lights", "Lantern"),
    ),
    "outdoor": (
        (12, 480),
        ("Ultralight", "Insulated", "Four-Season", "Packable", "Merino"),
        ("Tent", "Sleeping Bag", "Flask", "Camp Stove", "Rain Jacket", "Hammock"),
    ),
    "stationery": (
        (3, 75),
        ("Dotted", "Linen-Bound", "Recycled", "Brass", "Italian"),
        ("Notebook", "Fountain Pen", "Desk Organiser", "Ink Set", "Planner", "Letter Opener"),
    ),
    "toys": (
        (6, 140),
        ("Wooden", "Magnetic", "Plush", "Glow-in-the-Dark", "Hand-Painted"),
        ("Train Set", "Building Blocks", "Puzzle", "Kite", "Marble Run", "Puppet"),
    ),
}


def demo_products(seed: int = SEED) -> list[dict[str, Any]]:
    """Return all products, category by category."""
    rng = np.random.default_rng(seed)
    return [product for category in CATEGORIES for product in _category_products(category, rng)]


def _category_products(category: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    (lowest, highest), kinds, things = CATEGORIES[category]
    titles = [f"{kind} {thing}" for thing in things for kind in kinds]
    order = rng.permutation(len(titles))[:PRODUCTS_PER_CATEGORY]
    return [
        _product(f"{category}-{number:02d}", category, titles[index], (lowest, highest), rng)
        for number, index in enumerate(order.tolist(), 1)
    ]


def _product(
    product_id: str, category: str, title: str, prices: tuple[float, float], rng: np.random.Generator
) -> dict[str, Any]:
    price = float(np.exp(rng.uniform(np.log(prices[0]), np.log(prices[1]))))
    product: dict[str, Any] = {
        "product_id": product_id,
        "category_id": category,
        "title": title,
        "price": round(price) - 0.05,
        "created_at": NEWEST_MS - int(rng.integers(OLDEST_AGE_DAYS)) * DAY_MS,
    }
    rated = rng.random() >= UNRATED_SHARE
    rating, reviews = 5 - 4 * rng.beta(2, 6), int(np.ceil(rng.lognormal(np.log(REVIEWS_MEDIAN), 1.2)))
    if rated:
        product |= {"rating": round(float(rating), 1), "rating_count": reviews}
    return product


def demo_lines() -> bytes:
    """Return the catalogue file's content."""
    return b"".join(msgspec.json.encode(product) + b"\n" for product in demo_products())


if __name__ == "__main__":
    sys.stdout.buffer.write(demo_lines())
