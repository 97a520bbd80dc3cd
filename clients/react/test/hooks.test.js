import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { createElement as h, StrictMode, useEffect } from "react";
import { renderToString } from "react-dom/server";
import { openBrowser, page, screen } from "./browser.js";
import { slate, startService } from "./service.js";
import { HeliotropeProvider, useConsent, useImpression, useProfile, useTrack } from "../src/index.js";

let service, dom;

function Titles(wanted) {
  const profile = useProfile(wanted);
  return h("p", null, profile ? profile.score_data.map((item) => item.title).join(" ") : "nothing yet");
}

function List() {
  const profile = useProfile();
  const items = profile?.score_data ?? [];
  return h("ul", { ref: useImpression(), "data-decision-id": profile?.decision_id },
    items.map(({ product_id }) => h("li", { key: product_id, "data-product-id": product_id }, product_id)));
}

const provided = (children, more) => h(HeliotropeProvider, { url: service.url, log: () => {}, ...more }, children);
const sent = (type) => service.events.filter((event) => event.event_type === type);
const text = (html) => html.replace(/<[^>]+>/g, "");

// Rendered before there is a window, as on a server.
const rendered = { waits: "", shows: "" };

before(async () => {
  service = await startService();
  rendered.waits = renderToString(provided(h(Titles)));
  rendered.shows = renderToString(provided(h(Titles, { initial: slate(1, "lamp") })));
  openBrowser();
  dom = await import("@testing-library/react");
  dom.configure({ asyncUtilTimeout: 30_000 });
});
beforeEach(() => Object.assign(service, { events: [], reads: [], profile: slate(2, "rug", "cup", "pan") }));
afterEach(() => {
  dom.cleanup();
  localStorage.clear();
});
after(() => service.close());

test("a server renders what it was given and opens no connection", () => {
  assert.equal(text(rendered.waits), "nothing yet");
  assert.equal(text(rendered.shows), "LAMP");
  assert.deepEqual(service.reads, []);
});

test("hydration agrees with the server, then the page is live", async () => {
  const container = document.body.appendChild(document.createElement("div"));
  container.innerHTML = rendered.shows;
  const errors = [];
  dom.render(provided(h(Titles, { initial: slate(1, "lamp") })), { container, hydrate: true, onRecoverableError: (error) => errors.push(error) });
  assert.equal(container.textContent, "LAMP");
  await dom.waitFor(() => assert.equal(container.textContent, "RUG CUP PAN"));
  service.publish(slate(3, "pan"));
  await dom.waitFor(() => assert.equal(container.textContent, "PAN"));
  assert.deepEqual(errors, []);
});

test("components share one subscription, which has metadata if one of them needs it", async () => {
  const { container } = dom.render(provided([h(Titles, { key: 1, limit: 1 }), h(Titles, { key: 2, limit: 2, metadata: true })]));
  await dom.waitFor(() => assert.equal(container.textContent, "RUGRUG CUP"));
  assert.deepEqual(service.reads.map((read) => read.searchParams.get("metadata")), ["1"]);
});

test("an effect of a child may track before its provider has mounted, in strict mode too", async () => {
  function Viewed() {
    const track = useTrack();
    useEffect(() => track("product_view", { product_id: "rug" }), [track]);
    return h(Titles);
  }
  const { container } = dom.render(h(StrictMode, null, provided(h(Viewed))));
  await dom.waitFor(() => assert.equal(container.textContent, "RUG CUP PAN"));
  await dom.waitFor(() => assert.equal(sent("product_view").length, 2)); // strict mode runs effects twice
  assert.equal(service.reads.at(-1).pathname, `/v1/profile/${sent("product_view")[0].session_id}`);
});

test("consent is unknown, then asked for, then remembered", async () => {
  const seen = [];
  function Question() {
    const consent = useConsent();
    seen.push(consent.granted);
    return h("button", { onClick: consent.grant }, "yes");
  }
  const { getByRole, unmount } = dom.render(provided(h(Question)));
  assert.deepEqual(seen, [undefined, null]);
  dom.fireEvent.click(getByRole("button"));
  await dom.waitFor(() => assert.deepEqual(sent("consent").map((event) => event.granted), [true]));
  assert.equal(seen.at(-1), true);
  unmount();
  dom.render(provided(h(Question)));
  assert.equal(seen.at(-1), true);
});

test("the cookie has the session that events are sent for, and another after an erasure", async () => {
  function Forget() {
    return h("button", { onClick: useConsent().erase }, "forget me");
  }
  const named = () => /shop=([^;]+)/.exec(document.cookie)?.[1];
  const { getByRole } = dom.render(provided(h(Forget), { cookie: "shop" }));
  const first = named();
  dom.fireEvent.click(getByRole("button"));
  await dom.waitFor(() => assert.deepEqual(sent("erase").map((event) => event.session_id), [first]));
  assert.match(named(), /^[0-9a-f-]{36}$/);
  assert.notEqual(named(), first);
});

test("what was on screen is sent once for each decision, and anew when the list changes", async () => {
  dom.render(provided(h(List)));
  await dom.waitFor(() => assert.equal(screen.watched.size, 3));
  screen.show();
  await dom.waitFor(() => assert.deepEqual(sent("impression").map((event) => [event.decision_id, event.shown]), [["d2", ["rug", "cup", "pan"]]]));
  service.publish(slate(3, "pan", "pot"));
  await dom.waitFor(() => assert.equal(screen.watched.size, 2));
  screen.show();
  await dom.waitFor(() => assert.deepEqual(sent("impression").at(-1).shown, ["pan", "pot"]));
  assert.equal(sent("impression").at(-1).decision_id, "d3");
});

test("a list that renders again without a change goes on being watched", async () => {
  const { rerender } = dom.render(provided(h(List)));
  await dom.waitFor(() => assert.equal(screen.watched.size, 3));
  const before = [...screen.watched];
  page.window.document.querySelector("li").append("sold out");
  rerender(provided(h(List)));
  await new Promise((done) => setImmediate(done)); // observers of the document run before
  assert.deepEqual([...screen.watched], before);
});

test("a component without a provider says so", () => {
  const quiet = console.error;
  console.error = () => {};
  try {
    assert.throws(() => dom.render(h(Titles)), /no <HeliotropeProvider>/);
  } finally {
    console.error = quiet;
  }
});
