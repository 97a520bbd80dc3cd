"""The operator's page with what the real job and broker say."""

from playwright.sync_api import Page, expect

from cli.delivery import Delivery
from tests.browser.conftest import WAIT_MS, Shop
from tests.browser.test_storefront import session_of, view_one


def test_a_session_is_explained(page: Page, shop: Shop) -> None:
    product = view_one(page)
    session = session_of(page)
    page.goto(shop.url + "/admin")
    page.fill("#session", session)
    page.keyboard.press("Enter")
    expect(page.locator("#answer tbody tr").first).to_be_visible()
    expect(page.locator("#answer dl")).to_contain_text(product)
    page.fill("#session", "<img src=x onerror=window.__xss=1>")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("there is no profile of this session")
    assert page.evaluate("window.__xss") is None


def test_dead_letters_are_shown_with_their_reason_and_bytes_as_text(page: Page, shop: Shop) -> None:
    payload = b"<img src=x onerror=window.__xss=1> no JSON"
    with Delivery(shop.target, linger_ms=0) as delivery:
        delivery.send(shop.target.settings.kafka.topics.user_interactions, payload, b"x")
    page.goto(shop.url + "/admin")
    for _ in range(WAIT_MS // 1_000):
        with page.expect_response("**/admin/dead-letters"):
            page.click("#dead-again")
        if page.locator("#dead-reasons td", has_text="not_json").count():
            break
        page.wait_for_timeout(1_000)
    page.click("summary")
    expect(page.locator("#dead-newest pre").first).to_contain_text(payload.decode())
    assert page.evaluate("window.__xss") is None
