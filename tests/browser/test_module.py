"""`heliotrope.js` on its own: queue, batches, retries, impressions, and the live profile."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Shop, until
from tests.browser.test_storefront import session_of, view_one, waiting

Body = list[dict[str, Any]]


def batches(page: Page) -> list[Body]:
    """Every batch that is tracked from now on."""
    found: list[Body] = []
    page.on(
        "request",
        lambda request: (
            found.append(json.loads(request.post_data or "")["events"]) if "/v1/track" in request.url else None
        ),
    )
    return found


def track_many(count: int) -> str:
    """A script; times rise, so that the order of what waits is that of the numbers."""
    fields = "{ product_id: 'p' + n, timestamp: Date.now() + n }"
    return f"for (let n = 0; n < {count}; n++) heliotrope.track('product_view', {fields});"


@pytest.fixture
def bare(page: Page, shop: Shop) -> Page:
    """A page with the module and nothing else that tracks."""
    page.goto(shop.url + "/shop/icon.svg")
    page.goto(shop.url + "/docs")
    page.evaluate(
        """import('/heliotrope.js').then(({ createClient }) => {
          window.told = [];
          window.heliotrope = createClient({ log: one => told.push(one) });
          return heliotrope.flush();
        })"""
    )
    page.evaluate("told.length = 0")
    return page


def test_many_events_go_in_batches_of_ten(bare: Page, shop: Shop) -> None:
    found = batches(bare)
    bare.evaluate(f"() => {{ {track_many(25)} return heliotrope.flush(); }}")
    assert [len(each) for each in found] == [10, 10, 5]
    session = session_of(bare)
    events = shop.wait_tracked(
        lambda event: event["session_id"] == session and event.get("product_id", "").startswith("p"), 25
    )
    assert len({event["event_id"] for event in events}) == 25


def test_a_waiting_impression_leaves_by_beacon(bare: Page, shop: Shop) -> None:
    event = bare.evaluate("heliotrope.track('impression', { decision_id: 'd1', shown: ['p1'] })")
    bare.close()
    (found,) = shop.wait_tracked(lambda found: found["event_id"] == event["event_id"])
    assert found["shown"] == ["p1"]


def test_what_was_not_sent_survives_a_reload_and_is_sent_once(bare: Page, shop: Shop) -> None:
    bare.route("**/v1/track*", lambda route: route.abort())
    event = bare.evaluate("heliotrope.track('product_view', { product_id: 'p1' })")
    until(bare, "told.length > 0")
    assert waiting(bare) == 1
    bare.unroute("**/v1/track*")
    bare.goto(shop.url + "/")
    until(bare, "!Object.keys(localStorage).some(key => key.startsWith('heliotrope.q1'))")
    assert len(shop.wait_tracked(lambda found: found["event_id"] == event["event_id"])) == 1


def test_retry_after_is_honoured_and_the_event_keeps_its_id(bare: Page) -> None:
    tries: list[str] = []

    def refuse_once(route: Route) -> None:
        tries.append(route.request.post_data or "")
        route.fulfill(status=503, headers={"retry-after": "2"}, json={"title": "x"}) if len(
            tries
        ) == 1 else route.continue_()

    bare.route("**/v1/track*", refuse_once)
    took_ms = bare.evaluate(
        """async () => {
          const from = performance.now();
          heliotrope.track('product_view', { product_id: 'p1' });
          const waits = () => Object.keys(localStorage).some(key => key.startsWith('heliotrope.q'));
          while (waits()) await new Promise(done => setTimeout(done, 20));
          return performance.now() - from;
        }"""
    )
    assert took_ms >= 2_000
    assert len(tries) == 2
    assert tries[0] == tries[1]


def test_what_is_rejected_is_dropped_and_told(bare: Page) -> None:
    bare.evaluate("() => { heliotrope.track('no_such_type'); return heliotrope.flush(); }")
    until(bare, "told.some(one => one.rejected?.length)")
    assert bare.evaluate("told.find(one => one.rejected?.length).rejected[0].reason") == "unknown_event_type"
    assert waiting(bare) == 0


def test_the_queue_is_bounded_and_the_oldest_go(bare: Page, context: BrowserContext) -> None:
    context.set_offline(True)
    bare.evaluate(track_many(520))
    assert waiting(bare) == 500
    events = "Object.values({ ...localStorage }).filter(text => text[0] == '{').map(text => JSON.parse(text))"
    left = bare.evaluate(f"{events}.map(event => event.product_id)")
    assert "p0" not in left
    assert "p519" in left
    bare.evaluate("localStorage.clear()")
    context.set_offline(False)


def test_consent_and_erase_are_sent_though_nothing_else_is(bare: Page, context: BrowserContext) -> None:
    found = batches(bare)
    context.set_offline(True)
    bare.evaluate("heliotrope.track('product_view', { product_id: 'p1' })")
    bare.evaluate("heliotrope.consent(false)")
    bare.evaluate("heliotrope.track('product_view', { product_id: 'p2' })")
    bare.evaluate("heliotrope.erase()")
    context.set_offline(False)
    until(bare, "!Object.keys(localStorage).some(key => key.startsWith('heliotrope.q'))")
    assert [event["event_type"] for batch in found for event in batch] == ["consent", "erase"]


def test_tabs_share_a_session_and_hear_of_its_end(bare: Page, context: BrowserContext, shop: Shop) -> None:
    other = context.new_page()
    other.goto(shop.url)
    session = session_of(bare)
    expect(other.locator("#session")).to_have_text(session)
    bare.evaluate("heliotrope.erase()")
    assert session_of(other) == session_of(bare) != session


def test_without_storage_it_works_within_the_page(bare: Page) -> None:
    bare.evaluate("Object.defineProperty(window, 'localStorage', { get() { throw Error('blocked'); } })")
    found = batches(bare)
    same = bare.evaluate(
        """async () => {
          const { createClient } = await import('/heliotrope.js');
          const client = createClient();
          client.track('product_view', { product_id: 'p1' });
          await client.flush();
          return client.sessionId === client.sessionId;
        }"""
    )
    assert same
    assert [event["product_id"] for batch in found for event in batch] == ["p1"]


SEEN: Callable[[dict[str, Any]], bool] = lambda event: event["event_type"] == "impression"  # noqa: E731


def test_items_seen_for_a_second_are_an_impression_in_the_pages_order(page: Page, shop: Shop) -> None:
    view_one(page)
    found = batches(page)
    page.goto(shop.url)
    page.wait_for_selector('[data-key="loved"] .card')
    page.locator('[data-key="loved"]').scroll_into_view_if_needed()
    until(page, "!Object.keys(localStorage).some(key => key.startsWith('heliotrope.q'))")
    with page.expect_request(lambda request: '"impression"' in (request.post_data or "")):
        page.mouse.wheel(0, 500)
    events = [event for batch in found for event in batch if SEEN(event)]
    order = page.eval_on_selector_all(
        "#personal [data-decision-id] .card", "all => all.map(one => one.dataset.productId)"
    )
    decision = page.locator('[data-key="loved"]').get_attribute("data-decision-id")
    assert events[-1]["decision_id"] == decision
    assert events[-1]["shown"] == [product for product in order if product in events[-1]["shown"]]
    below = page.locator("#personal [data-decision-id] .card").last
    assert below.get_attribute("data-product-id") not in events[0]["shown"]


def test_without_a_stream_the_profile_is_asked_for(page: Page, context: BrowserContext, shop: Shop) -> None:
    context.route("**/v1/stream/**", lambda route: route.fulfill(status=500))
    page.goto(shop.url)
    view_one(page)


def test_a_hidden_page_has_no_stream(page: Page) -> None:
    view_one(page)
    closed = page.evaluate(
        """() => {
          Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
          const close = EventSource.prototype.close;
          let closed = 0;
          EventSource.prototype.close = function () { closed += this.readyState !== 2; return close.call(this); };
          document.dispatchEvent(new Event('visibilitychange'));
          EventSource.prototype.close = close;
          return closed;
        }"""
    )
    assert closed == 1
