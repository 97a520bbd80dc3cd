"""One stack and one Chromium for all tests here. Where Chromium is not installed they are skipped, and say so."""

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from kafka import TopicPartition
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from redis import Redis

from cli.catalogue.demo import demo_products
from cli.catalogue.loading import load_products
from cli.delivery import Delivery
from cli.endpoints import Endpoints
from cli.files.rows import read_rows
from cli.files.source import Source
from cli.kafka_client import open_consumer
from cli.options import Target
from cli.redis_client import profile_key
from cli.simulate.bundles import demo_bundles
from cli.simulate.session import read_shop
from cli.stack import control, jars
from jobs.settings import load_settings

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 60_000
"""Other work may share the machine: what is waited for comes far sooner."""
EARLY = "an early visitor"
POLL_S = 0.2
HOSTILE: list[dict[str, Any]] = [
    {
        "product_id": "h1",
        "category_id": "hostile",
        "title": "<img src=x onerror=window.__xss=1>",
        "price": 9.5,
        "rating": 5,
    },
    {
        "product_id": '"><script>window.__xss=2</script>',
        "category_id": "hostile",
        "title": "</template><script>window.__xss=3</script>",
    },
    {"product_id": "h3/../../x?y#z", "category_id": "hostile", "title": "javascript:window.__xss=4", "price": 7.0},
    {"product_id": "h4", "category_id": "hostile", "title": "Ω " * 200, "price": 8.0},
]
SETTINGS = (
    "kafka.partitions=2",
    "local.start_timeout=5 min",
    "bandit.seed=1",
    "profile.refresh_after=2 s",
    "popularity.window=5 min",
    "popularity.slide=5 s",
    "popularity.allowed_lateness=5 s",
    "rules.pin=[{product: h1, position: 0, category: hostile}]",  # whoever looks at a hostile product sees one in the list
)


class Shop(NamedTuple):
    """The storefront on the real stack."""

    url: str
    target: Target
    redis: Redis

    def tracked(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Read the events in the topic that are wanted."""
        topic = self.target.settings.kafka.topics.user_interactions
        consumer = open_consumer(self.target)
        try:
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions)
            found: list[dict[str, Any]] = []
            while any(consumer.position(each) < ends[each] for each in partitions):
                for records in consumer.poll(timeout_ms=200).values():
                    found += [json.loads(record.value) for record in records if record.value.startswith(b"{")]
        finally:
            consumer.close(autocommit=False)
        return [event for event in found if wanted(event)]

    def wait_tracked(self, wanted: Callable[[dict[str, Any]], bool], count: int = 1) -> list[dict[str, Any]]:
        """Read until so many of them are there."""
        deadline_s = time.monotonic() + WAIT_MS / 1_000
        while len(found := self.tracked(wanted)) < count:
            assert time.monotonic() < deadline_s, f"{len(found)} of {count} in the topic"
        return found


def until(page: Page, expression: str, arg: Any = None) -> None:
    """Wait until a page's own state is so. Playwright's own way evaluates text in the page, which our pages' policy refuses."""
    deadline_s = time.monotonic() + WAIT_MS / 1_000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < deadline_s, f"never: {expression}"
        page.wait_for_timeout(50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder and runs on the stack."""
    for item in items:
        on_stack = "shop" in getattr(item, "fixturenames", ()) and item.get_closest_marker("next_shop") is None
        if HERE in item.path.parents and on_stack:
            item.add_marker(pytest.mark.integration)


def chromium_path() -> str | None:
    """Where the system's Chromium is."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    path = chromium_path()
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def shop(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The stack with the demo's catalogue and hostile products in it, and the server on it."""
    try:
        jars.installed()
    except Exception:
        jars.fetch(lambda done, of, name: None)
    catalogue = tmp_path_factory.mktemp("catalogue") / "products.jsonl"
    products = [*demo_products(), *({"category_id": "hostile", **product} for product in HOSTILE)]
    catalogue.write_text("".join(json.dumps(product) + "\n" for product in products))
    workdir = tmp_path_factory.mktemp("stack-browser")
    sets = [*SETTINGS, f"serving.storefront_catalogue={catalogue}"]
    try:
        record = control.start_stack(load_settings(None, sets, environ={}), workdir)
        target = Target(control.job_settings(workdir), Endpoints(record.kafka, record.redis, record.flink))
        _load(target, catalogue)
        with Redis.from_url(record.redis) as redis:
            _wait_for_lists(target, redis)
            yield Shop(record.serving, target, redis)
    finally:
        control.stop_stack(workdir)


def _load(target: Target, catalogue: Path) -> None:
    topics = target.settings.kafka.topics
    with Delivery(target, linger_ms=5) as delivery:
        load_products(read_rows(catalogue, Source()), topics.products, delivery)
        for key, bundle in demo_bundles(read_shop(catalogue)):
            delivery.send(topics.bundles, bundle, key.encode())


def _wait_for_lists(target: Target, redis: Redis) -> None:
    """Events overtake the catalogue: somebody searches until there is something to show. A search is counted nowhere."""
    deadline_s = time.monotonic() + WAIT_MS / 1_000
    topic, key = target.settings.kafka.topics.user_interactions, profile_key(target.settings.redis.prefix, EARLY)
    found: Any = None
    with Delivery(target, linger_ms=5) as delivery:
        while not (found and msgspec.json.decode(found)["score_data"]):
            assert time.monotonic() < deadline_s, "nothing is ever shown"
            event = {
                "session_id": EARLY,
                "event_type": "search",
                "event_id": str(uuid.uuid4()),
                "timestamp": time.time_ns() // 1_000_000,
                "query": "any",
            }
            delivery.send(topic, json.dumps(event).encode(), EARLY.encode())
            time.sleep(POLL_S)
            found = redis.get(key)


@pytest.fixture
def context(browser: Browser, shop: Shop) -> Iterator[BrowserContext]:
    """A visitor's browser, with nothing in it. An error in a page's script fails the test."""
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(WAIT_MS)
    errors: list[str] = []
    opened.on("weberror", lambda found: errors.append(str(found.error)))
    opened.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
    yield opened
    opened.close()
    assert errors == []


@pytest.fixture
def page(context: BrowserContext, shop: Shop) -> Page:
    """The home page of a visitor who has allowed to be remembered."""
    opened = context.new_page()
    opened.goto(shop.url)
    opened.click("#allow")
    return opened
