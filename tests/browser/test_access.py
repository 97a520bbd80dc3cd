"""axe on every kind of page: no serious fault, light and dark, wide and narrow."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WAIT_MS, Shop
from tests.browser.test_storefront import LOVED, view_one

SERIOUS = ("serious", "critical")


def faults(page: Page) -> list[str]:
    """The serious ones, each with where it is."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found if each["impact"] in SERIOUS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_serious_fault_in_the_shop(browser: Browser, shop: Shop, scheme: str, width: int) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(shop.url)
    assert faults(page) == []  # with the consent banner
    page.click("#allow")
    view_one(page)
    page.locator(f"{LOVED} .why summary").first.click()
    assert faults(page) == []
    page.goto(shop.url)
    page.wait_for_selector(f"{LOVED} .card")
    assert faults(page) == []
    page.goto(shop.url + "/search?q=lamp")
    assert faults(page) == []
    page.click("#cart")
    assert faults(page) == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_the_operators_page(browser: Browser, shop: Shop, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(shop.url + "/admin")
    expect(page.locator("#tiles li").first).to_be_visible(timeout=WAIT_MS)
    assert faults(page) == []
    context.close()


def test_a_narrow_page_does_not_scroll_sideways(browser: Browser, shop: Shop) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    for path in ("/", "/p/audio-01", "/search?q=lamp", "/c/hostile", "/p/h4", "/admin"):
        page.goto(shop.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    context.close()
