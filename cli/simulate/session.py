"""Everything that a simulation needs of the outside: the catalogue, the broker and Redis."""

import importlib.resources
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.catalogue.loading import load_products
from cli.catalogue.reading import Loaded, read_row
from cli.delivery import Delivery
from cli.errors import UserError
from cli.files.rows import read_rows
from cli.files.source import Source
from cli.options import Target
from cli.redis_client import open_redis
from cli.simulate.bundles import demo_bundles
from cli.simulate.profiles import ProfileReader
from cli.simulate.runner import Plan, Runner
from cli.simulate.shop import Shop
from state.catalogue.product import Product, read_product


def demo_catalogue() -> Path:
    """Return the catalogue that is shipped for demonstrations."""
    return Path(str(importlib.resources.files("conf").joinpath("demo", "catalogue.jsonl")))


def read_shop(path: Path) -> Shop:
    """Return the shop of a catalogue file.

    Raises:
        UserError: the file cannot be read, or is too small a shop.
    """
    products: dict[str, Product] = {}
    for row in read_rows(path, Source()):
        loaded = read_row(row)
        if isinstance(loaded, Loaded):
            product = read_product(loaded.value)
            if isinstance(product, Product):
                products[product.product_id] = product
    try:
        return Shop(list(products.values()))
    except ValueError as error:
        raise UserError(f"{path}: {error}: name another with --catalogue") from None


@contextmanager
def open_runner(target: Target, plan: Plan, catalogue: Path, load: bool) -> Iterator[tuple[Runner, ProfileReader]]:
    """Yield a simulation on the real stack; the catalogue, and bundles of it, are put into their topics first where `load` says so.

    Raises:
        UserError: Kafka or Redis does not answer; later, Kafka only: who meets no profile leaves, and is counted.
    """
    shop = read_shop(catalogue)
    client = open_redis(target)
    topics = target.settings.kafka.topics
    with Delivery(target, linger_ms=0) as delivery:
        if load:
            load_products(read_rows(catalogue, Source()), topics.products, delivery)
            for key, bundle in demo_bundles(shop):
                delivery.send(topics.bundles, bundle, key.encode())
        reader = ProfileReader(client, target.settings.redis.prefix)

        def send(session_id: str, event: bytes) -> None:
            delivery.send(topics.user_interactions, event, session_id.encode())

        try:
            yield Runner(shop, plan, reader, send), reader
        finally:
            client.close()
