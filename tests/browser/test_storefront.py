"""The whole way of a visitor through the storefront, on the real stack in a real browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import WAIT_MS, Shop, until

LOVED = '[data-key="loved"]'
PROFILE = "heliotrope.profile()"
CARDS = "#personal .cards .card"
LISTED = "all => all.map(one => one.dataset.productId)"


def session_of(page: Page) -> str:
    return str(page.evaluate("heliotrope.sessionId"))


def view_one(page: Page, number: int = 0) -> str:
    """Click a product of the home page's rows and wait for the list that follows from it."""
    card = page.locator(".row .card").nth(number)
    product = card.get_attribute("data-product-id") or ""
    card.locator("a").click()
    expect(page.locator("#page")).to_have_attribute("data-product-id", product)
    page.wait_for_selector(f"{LOVED} .card", timeout=WAIT_MS)
    return product


def listed(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "#personal .cards .card", "all => all.map(one => one.dataset.productId)"
    )
    return found


def waiting(page: Page) -> int:
    return int(page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('heliotrope.q')).length"))


@contextmanager
def held_still(page: Page, shop: Shop) -> Iterator[None]:
    """Let no event leave the page meanwhile, so that the list, which shows all that went before, stays as it is."""
    page.route("**/v1/track", lambda route: route.abort())
    page.evaluate("heliotrope.flush()")  # waits for what is on its way
    session = session_of(page)
    sent = len(shop.tracked(lambda event: event["session_id"] == session))
    until(page, "sent => Number(document.getElementById('counted').textContent) >= sent", sent)
    yield
    page.unroute("**/v1/track")


def test_a_view_changes_the_list_without_a_reload(page: Page) -> None:
    page.evaluate("window.mark = 1")
    product = view_one(page, 3)
    assert page.url.endswith("/p/" + product)
    assert page.evaluate("window.mark") == 1
    before = listed(page)
    page.locator(f"{LOVED} .card > a").nth(1).click()
    until(page, f"before => ({LISTED})([...document.querySelectorAll('{CARDS}')]).join() !== before.join()", arg=before)
    until(page, "/^\\d+ ms$/.test(document.getElementById('last-ms').textContent)")
    assert page.evaluate("window.mark") == 1
    page.go_back()
    expect(page.locator("#page")).to_have_attribute("data-product-id", product)


def test_an_item_says_why_it_is_shown(page: Page, shop: Shop) -> None:
    view_one(page)
    with held_still(page, shop):
        page.locator(f"{LOVED} .why summary").first.click()
        why = page.locator(f"{LOVED} .why[open] li").first
        expect(why).to_have_text(re.compile(r"^\w.{5,}"))
        page.keyboard.press("Escape")
        expect(page.locator(".why[open]")).to_have_count(0)


def test_a_thumb_down_removes_the_product(page: Page, shop: Shop) -> None:
    view_one(page)
    with held_still(page, shop):
        card = page.locator(f"{LOVED} .card").nth(1)
        product = card.get_attribute("data-product-id") or ""
        card.locator(".thumb.down").click()
        assert product not in listed(page)
    until(page, f"id => {PROFILE}.then(found => !found.score_data.some(item => item.product_id === id))", product)


def test_a_bundle_is_shown_with_its_discount_and_can_be_bought(page: Page, shop: Shop) -> None:
    page.goto(shop.url + "/p/audio-01")
    bundle = page.locator(".bundle", has_text="Studio Microphone").first
    expect(bundle).to_be_visible(timeout=WAIT_MS)
    price, whole = (bundle.locator(part).text_content() or "" for part in (".price", "s"))
    assert float(price.strip("€").replace(",", "")) < float(whole.strip("€").replace(",", ""))
    bundle.locator("button").click()
    session = session_of(page)
    (event,) = shop.wait_tracked(lambda event: event["session_id"] == session and event["event_type"] == "checkout")
    assert len(event["items"]) == 3


def test_a_withdrawn_consent_ends_the_profile_and_the_tracking(page: Page, shop: Shop) -> None:
    view_one(page)
    session = session_of(page)
    until(page, "heliotrope.profile().then(found => found.version > 0)")
    page.click("#privacy")
    page.click("#refuse")
    until(page, "heliotrope.profile().then(found => !found.version)")
    expect(page.locator(LOVED)).to_have_count(0, timeout=WAIT_MS)
    assert shop.redis.get(f"heliotrope:profile:{session}") is None
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/v1/track" in request.url else None)
    page.goto(shop.url + "/p/audio-02")
    page.evaluate("heliotrope.flush()")
    assert (sent, waiting(page)) == ([], 0)


def test_erase_begins_anew_under_another_id(page: Page, shop: Shop) -> None:
    view_one(page)
    session = session_of(page)
    until(page, "heliotrope.profile().then(found => found.version > 0)")
    page.click("#erase")
    expect(page.locator("#say")).to_contain_text("Erased")
    assert session_of(page) != session
    shop.wait_tracked(lambda event: event["session_id"] == session and event["event_type"] == "erase")
    until(
        page,
        "old => fetch('/v1/profile/' + old).then(answer => answer.json()).then(found => !found.version)",
        arg=session,
    )
    expect(page.locator(LOVED)).to_have_count(0)


def test_what_is_done_offline_is_sent_when_the_browser_is_back(page: Page, context: BrowserContext, shop: Shop) -> None:
    view_one(page)
    session = session_of(page)
    context.set_offline(True)
    expect(page.locator("#link-text")).to_contain_text("offline")
    card = page.locator(f"{LOVED} .card").first.element_handle()
    assert card is not None
    product = card.get_attribute("data-product-id")
    card.eval_on_selector(".thumb.up", "button => button.click()")
    assert waiting(page) > 0
    context.set_offline(False)
    expect(page.locator("#link-text")).to_have_text("live")
    (event,) = shop.wait_tracked(lambda event: event["session_id"] == session and event["event_type"] == "feedback")
    assert event["product_id"] == product
    until(page, "!Object.keys(localStorage).some(key => key.startsWith('heliotrope.q'))")


def test_the_region_goes_with_reads_and_events(page: Page) -> None:
    with page.expect_request(lambda request: "/v1/profile/" in request.url and "region=APAC" in request.url):
        page.select_option("#region", "APAC")
    with page.expect_request(
        lambda request: "/v1/track" in request.url and '"region":"APAC"' in (request.post_data or "")
    ):
        page.locator(".row .card a").first.click()


def test_a_search_leads_to_products_and_is_tracked(page: Page, shop: Shop) -> None:
    session = session_of(page)
    page.fill("#q", "brass lamp")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Search: brass lamp")
    assert page.locator("#page .grid .card").count() == 2
    (event,) = shop.wait_tracked(lambda event: event["session_id"] == session and event["event_type"] == "search")
    assert event["query"] == "brass lamp"


def test_all_of_it_works_by_keyboard(page: Page, shop: Shop) -> None:
    view_one(page)
    with held_still(page, shop):
        page.locator(f"{LOVED} .card > a").first.focus()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        page.keyboard.press("Enter")
        expect(page.locator(f"{LOVED} .why[open]")).to_have_count(1)
        page.keyboard.press("Tab")
        assert "up" in page.evaluate("document.activeElement.className")
        page.keyboard.press("Space")
        expect(page.locator(f'{LOVED} .thumb.up[aria-pressed="true"]')).to_have_count(1)


AFTER_A_CLICK = """([place, button]) => {
  const cards = [...document.querySelectorAll('[data-key="loved"] .card')];
  cards[0].querySelector('.thumb.up').focus();
  cards[place].querySelector(button).click(); // draws the list at once, and takes no focus itself
  const element = document.activeElement, card = element.closest('.card');
  return [element.className || element.tagName, cards.indexOf(card)];
}"""


def test_a_list_that_is_drawn_anew_keeps_the_focus_in_its_place(page: Page) -> None:
    view_one(page)
    assert page.evaluate(AFTER_A_CLICK, [3, ".thumb.up"]) == ["thumb up", 0]
    assert page.evaluate(AFTER_A_CLICK, [0, ".thumb.down"]) == ["A", 1], (
        "its card is gone, the next one is in its place"
    )


HOSTILE_SEARCH = "</title><script>window.__xss=5</script><img src=x onerror=window.__xss=6>\"'"


@pytest.mark.parametrize(
    "path",
    ["/c/hostile", "/p/h1", "/p/%22%3E%3Cscript%3Ewindow.__xss%3D2%3C%2Fscript%3E", "/p/h3%2F..%2F..%2Fx%3Fy%23z"],
)
def test_a_hostile_product_is_text_on_its_page_and_in_lists(page: Page, shop: Shop, path: str) -> None:
    page.goto(shop.url + path)
    for product in ("h1", "h4"):
        page.evaluate("id => heliotrope.track('product_view', { product_id: id, category_id: 'hostile' })", product)
    expect(page.locator("#personal .title", has_text="<img src=x onerror").first).to_be_visible(timeout=WAIT_MS)
    page.locator("#personal .why summary").first.click()
    assert page.evaluate("window.__xss") is None
    assert page.locator("#personal script, #page script, img[src='x']").count() == 0


def test_a_hostile_search_or_session_id_is_text(page: Page, context: BrowserContext, shop: Shop) -> None:
    page.fill("#q", HOSTILE_SEARCH)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Search: " + HOSTILE_SEARCH)
    page.reload()
    expect(page.locator("#q")).to_have_value(HOSTILE_SEARCH)
    assert page.evaluate("window.__xss") is None
    for hostile in ("<img/src=x/onerror=window.__xss=7>", "../../admin?x#", "a/b?c=d&region=US", "%2e%2e"):
        page.evaluate("id => { localStorage['heliotrope.session'] = id + ' 99999999999999'; }", hostile)
        with page.expect_response(lambda answer: "/v1/profile/" in answer.url and answer.status == 200):
            page.reload()
        expect(page.locator("#session")).to_have_text(hostile)
        assert page.evaluate("window.__xss") is None
