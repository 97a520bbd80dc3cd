"""The Next.js shop in `examples/next-shop`, built and clicked through in a real Chromium, over the real service and a real Redis.

`make next-shop` runs it: the packages and the build take minutes. It skips what it does not find, and says so.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.browser.chromium import chromium, job, page, place, publish, sends, sent
from tests.clients.node import ROOT, environment, install, npm
from tests.redis_server import RedisServer
from tests.serving.live_server import LiveServer, live_server

__all__ = ["chromium", "job", "page", "place"]
"""Fixtures."""
pytestmark = pytest.mark.next_shop
SHOP = ROOT / "examples" / "next-shop"
COOKIE = "heliotrope_session"
BUILD_SECONDS = 900
START_SECONDS = 120
PATIENT_BUDGET_MS = "5000"
"""This machine may be busy, and what is late is not the claim here."""
PRODUCTS = [json.loads(line) for line in (ROOT / "conf" / "demo" / "catalogue.jsonl").read_text().splitlines()]
TITLES = {product["product_id"]: product["title"] for product in PRODUCTS}
LOVED = "Items you may love based on your recent interactions"


@pytest.fixture(scope="module")
def built() -> Path:
    """The shop, built as for production."""
    if not has_the_hooks_of_this_checkout():
        (SHOP / "node_modules" / ".package-lock.json").unlink(missing_ok=True)
    install(SHOP)
    done = npm(SHOP, "run", "build", seconds=BUILD_SECONDS)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return SHOP


@pytest.fixture(scope="module")
def port() -> int:
    """The shop's: its address is in the service's configuration before either starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def service(place: RedisServer, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    origins = {"origins": [f"http://127.0.0.1:{port}"]}
    with live_server(tmp_path_factory.mktemp("service"), redis={"url": place.url}, serving=origins) as server:
        yield server


@pytest.fixture(scope="module")
def shop(built: Path, service: LiveServer, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(built, port, service.address, tmp_path_factory.mktemp("shop") / "shop.log") as address:
        yield address


def has_the_hooks_of_this_checkout() -> bool:
    """npm copies the hooks when it installs, and never again."""
    ours = [*(ROOT / "clients" / "react" / "src").glob("*.js"), ROOT / "serving" / "pages" / "static" / "heliotrope.js"]
    installed = SHOP / "node_modules" / "heliotrope-react" / "src"
    copies = {source: installed / source.name for source in ours if source != ROOT / "clients/react/src/heliotrope.js"}
    return all(copy.is_file() and copy.read_bytes() == source.read_bytes() for source, copy in copies.items())


@contextmanager
def running(project: Path, port: int, service: str, log: Path) -> Iterator[str]:
    """The built shop on a port, until the block ends."""
    command = ("node", "node_modules/next/dist/bin/next", "start", "--hostname", "127.0.0.1", "--port", str(port))
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=project,
            env=environment(HELIOTROPE_URL=service, HELIOTROPE_BUDGET_MS=PATIENT_BUDGET_MS),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait(address, process, log)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/products", timeout=START_SECONDS).read()
            return
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError(f"the shop did not start:\n{log.read_text()}")


def html_of(address: str, session_id: str) -> str:
    """What the server sends, before any script runs."""
    request = urllib.request.Request(address, headers={"Cookie": f"{COOKIE}={session_id}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


def session_of(page: Any) -> str:
    """The browser's session, from the cookie that the provider sets."""
    page.wait_for_function(f"document.cookie.includes('{COOKIE}=')")
    return next(str(cookie["value"]) for cookie in page.context.cookies() if cookie["name"] == COOKIE)


def products_shown(html: str) -> list[str]:
    return re.findall(r'data-product-id="([^"]+)"', html)


def test_the_server_renders_a_known_visitors_profile(shop: str, job: redis.Redis) -> None:
    publish(job, "known", 1, "audio-03", "audio-01")
    html = html_of(shop, "known")
    assert LOVED in html
    assert products_shown(html)[:2] == ["audio-03", "audio-01"]


def test_without_the_service_the_shop_shows_its_own_list(built: Path, shop: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with running(built, port, "http://127.0.0.1:1", tmp_path / "shop.log") as alone:
        html = html_of(alone, "known")
    assert "Popular right now" in html
    ratings = {product["product_id"]: product.get("rating", 0) for product in PRODUCTS}
    shown = products_shown(html)
    assert len(shown) == 8
    assert [ratings[product] for product in shown] == sorted(ratings.values(), reverse=True)[:8]


def test_a_click_is_tracked_and_the_list_changes_without_a_reload(page: Any, shop: str, job: redis.Redis) -> None:
    page.goto(shop)
    session_id = session_of(page)
    page.evaluate("window.loadedOnce = true")
    publish(job, session_id, 1, "audio-03", "audio-01")
    loved = page.get_by_role("region", name=LOVED)
    loved.get_by_role("listitem").nth(1).wait_for()
    publish(job, session_id, 2, "audio-04", "audio-03", "audio-01")
    loved.get_by_role("listitem").nth(2).wait_for()
    assert products_shown(loved.inner_html()) == ["audio-04", "audio-03", "audio-01"]
    page.get_by_role("region", name="Trending now").get_by_text(TITLES["audio-05"]).wait_for()
    page.get_by_role("region", name="Better together").get_by_text("15 % off").wait_for()
    with page.expect_request(lambda request: sends(request, "product_view")) as tracked:
        loved.get_by_role("link").first.click()
    page.get_by_role("heading", name=TITLES["audio-04"]).wait_for()
    (event,) = sent(tracked.value, "product_view")
    assert (event["session_id"], event["product_id"]) == (session_id, "audio-04")
    assert page.evaluate("window.loadedOnce") is True


def test_what_was_on_screen_is_sent_with_its_decision(page: Any, shop: str, job: redis.Redis) -> None:
    page.goto(shop)
    session_id = session_of(page)
    with page.expect_request(lambda request: sends(request, "impression")) as tracked:
        publish(job, session_id, 1, "audio-03", "audio-01")
    event = sent(tracked.value, "impression")[-1]
    assert event["decision_id"] == f"{session_id}-1"
    assert event["shown"] == ["audio-03", "audio-01"]


def test_the_visitor_is_asked_once_and_can_be_forgotten(page: Any, shop: str) -> None:
    page.goto(shop)
    session_id = session_of(page)
    with page.expect_request(lambda request: sends(request, "consent")) as tracked:
        page.get_by_role("region", name="Consent").get_by_role("button", name="No").click()
    assert [event["granted"] for event in sent(tracked.value, "consent")] == [False]
    page.reload()
    page.get_by_text("popular items only").wait_for()
    assert page.get_by_role("region", name="Consent").count() == 0
    with page.expect_request(lambda request: sends(request, "erase")) as forgotten:
        page.get_by_role("button", name="Forget me").click()
    assert [event["session_id"] for event in sent(forgotten.value, "erase")] == [session_id]
    assert session_of(page) != session_id
