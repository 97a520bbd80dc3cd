"""The pictures of the storefront in docs/images, taken of a running one: `python -m benchmarks.serving.pictures http://127.0.0.1:PORT`."""

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LIKED = ("/p/lighting-07", "/p/coffee-02", "/p/lighting-13")


def main(url: str) -> None:
    """Visit as a person would, and take pictures."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        take_all(browser, url)
        browser.close()


def take_all(browser: Browser, url: str) -> None:
    """Take the pictures of a shop in which shoppers are."""
    visitor, wide = _become_known(browser, url), {"width": 1020, "height": 640}
    _take(browser, url, "storefront-light", visitor, viewport=wide)
    _take(browser, url, "storefront-dark", visitor, viewport=wide, color_scheme="dark")
    _take(browser, url, "storefront-phone", visitor, viewport={"width": 390, "height": 800})
    _take(browser, url + "/admin", "operator", visitor, viewport=wide)


def _become_known(browser: Browser, url: str) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.click("#allow")
    for path in LIKED:
        page.goto(url + path)
        page.wait_for_selector('[data-key="loved"] .card')
        page.wait_for_timeout(1_500)  # what is seen for a second is an impression
    state = context.storage_state()
    context.close()
    return state


def _take(browser: Browser, url: str, name: str, visitor: Any, **options: Any) -> None:
    context = browser.new_context(storage_state=visitor, **options)
    page = context.new_page()
    page.goto(url)
    if name == "operator":
        page.wait_for_timeout(40_000)  # some points for the charts
    else:
        _click_around(page)
    page.screenshot(path=IMAGES / f"{name}.png")
    context.close()


def _click_around(page: Page) -> None:
    """Some clicks, for the strip; then home again."""
    for number in (1, 0, 2, 1, 3, 0, 2, 1):
        page.wait_for_selector('[data-key="loved"] .card')
        page.locator('[data-key="loved"] .card > a').nth(number).click()
        page.wait_for_timeout(700)
    page.locator(".logo").click()
    page.wait_for_timeout(5_000)


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
