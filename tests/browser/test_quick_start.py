"""The page of `docs/quick-start.md`, as it stands there, in a real Chromium over the real service."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.browser.chromium import chromium, job, page, place, publish, sends, sent
from tests.redis_server import RedisServer
from tests.serving.live_server import live_server

__all__ = ["chromium", "job", "page", "place"]
"""Fixtures."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "quick-start.md"
LEFT_OPEN = "http://127.0.0.1:…"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and logs nothing."""

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def site(place: RedisServer, tmp_path: Path) -> Iterator[str]:
    """The reader's page on an address of its own, with the service's written where the document leaves it open."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with live_server(tmp_path, redis={"url": place.url}, serving={"origins": [address]}) as service:
            (html,) = re.findall(r"```html\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
            assert html.count(LEFT_OPEN) == 2
            (folder / "index.html").write_text(html.replace(LEFT_OPEN, service.address), encoding="utf-8")
            yield address
        server.shutdown()


def test_the_page_tracks_shows_what_is_new_and_says_what_was_seen(page: Any, site: str, job: redis.Redis) -> None:
    page.goto(site)
    with page.expect_request(lambda request: sends(request, "product_view")) as tracked:
        page.get_by_role("button", name="Earbuds").click()
    (event,) = sent(tracked.value, "product_view")
    assert event["product_id"] == "audio-03"
    with page.expect_request(lambda request: sends(request, "impression")) as seen:
        publish(job, event["session_id"], 1, "audio-04", "audio-03")
        page.locator("#loved li").filter(has=page.locator("xpath=self::*[@data-product-id='audio-04']")).wait_for()
    assert sent(seen.value, "impression")[-1]["shown"] == ["audio-04", "audio-03"]
