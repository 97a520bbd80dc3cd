"""From a click in the browser to the new list on screen: `python -m benchmarks.serving.clicks [--clicks 500] [--background 500]`.

A stack and a real Chromium on this machine. A click is on a product of the list; its time ends with the frame after the one that
paints a list that knows it. `--background` sends events of other sessions meanwhile, so many a second.
"""

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from cli.catalogue.loading import load_products
from cli.delivery import Delivery
from cli.endpoints import Endpoints
from cli.files.rows import read_rows
from cli.files.source import Source
from cli.options import Target
from cli.simulate.session import demo_catalogue
from cli.stack import control
from jobs.settings import load_settings

RESULTS = Path(__file__).parents[1] / "results" / "clicks.json"
WARM_UP = 20
PAUSE_MS = 60
"""Between a list on screen and the next click."""
CLICK = """() => new Promise(done => {
  const cards = [...document.querySelectorAll('[data-key="loved"] .card > a')];
  const stop = setTimeout(() => done(null), 10000);
  document.addEventListener('measured', event => { clearTimeout(stop); done(event.detail); }, { once: true });
  cards[Math.floor(Math.random() * cards.length)].click();
})"""


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=500)
    parser.add_argument("--background", type=int, default=0, help="events a second of other sessions")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clicks-") as folder, _shop(Path(folder)) as (url, target):
        ends = threading.Event()
        load = threading.Thread(target=send_background, args=(target, options.background, ends))
        load.start()
        try:
            with sync_playwright() as playwright:
                path = shutil.which("chromium") or shutil.which("chromium-browser")
                browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
                figures = measure(browser, url, options.clicks)
                browser.close()
        finally:
            ends.set()
            load.join()
    figures |= {"background_events_per_second": options.background}
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    RESULTS.write_text(json.dumps(known | {str(options.background): figures}, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def measure(browser: Browser, url: str, clicks: int) -> dict[str, Any]:
    """Click so often; times in ms."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    page.goto(url)
    page.click("#allow")
    page.locator(".row .card a").first.click()
    page.wait_for_selector('[data-key="loved"] .card')
    for _ in range(WARM_UP):
        _click(page)
    found = [_click(page) for _ in range(clicks)]
    page.close()
    times = np.array([each for each in found if each is not None])
    return {
        "clicks": clicks,
        "without_a_new_list": clicks - len(times),
        "p50_ms": round(float(np.percentile(times, 50)), 1),
        "p90_ms": round(float(np.percentile(times, 90)), 1),
        "p99_ms": round(float(np.percentile(times, 99)), 1),
    }


def _click(page: Page) -> float | None:
    taken: float | None = page.evaluate(CLICK)
    page.wait_for_timeout(PAUSE_MS)
    return taken


@contextmanager
def _shop(workdir: Path) -> Iterator[tuple[str, Target]]:
    """A stack with the demo's catalogue, and its server."""
    try:
        record = control.start_stack(load_settings(None, ["local.start_timeout=5 min"], environ={}), workdir)
        target = Target(control.job_settings(workdir), Endpoints(record.kafka, record.redis, record.flink))
        with Delivery(target, linger_ms=5) as delivery:
            load_products(read_rows(demo_catalogue(), Source()), target.settings.kafka.topics.products, delivery)
        yield record.serving, target
    finally:
        control.stop_stack(workdir)


def send_background(target: Target, per_second: int, ends: threading.Event) -> None:
    """Views of many sessions at a steady rate."""
    if not per_second:
        return
    products = [json.loads(line) for line in demo_catalogue().read_text().splitlines()]
    topic, number, started_s = target.settings.kafka.topics.user_interactions, 0, time.monotonic()
    with Delivery(target, linger_ms=2) as delivery:
        while not ends.wait(max(0.0, started_s + number / per_second - time.monotonic())):
            product, session = products[number * 7 % len(products)], f"other-{number * 13 % 2_000}"
            event = {
                "session_id": session,
                "event_id": str(number),
                "event_type": "product_view",
                "product_id": product["product_id"],
                "category_id": product["category_id"],
                "timestamp": int(time.time() * 1_000),
            }
            delivery.send(topic, json.dumps(event).encode(), session.encode())
            number += 1


if __name__ == "__main__":
    main()
