// The storefront: pages come whole from the server, this makes them personal and keeps them so.
import { createClient } from '/heliotrope.js';
import { know, makeBundle, makeCard, money, nameOf, product, sectionsOf } from './cards.js';

const $ = id => document.getElementById(id);
const MOST_MEASURED = 24;
const MOST_MARKED = 200;
const kept = (() => { try { return localStorage.shop ? JSON.parse(localStorage.shop) : {}; } catch { return {}; } })();
const state = { region: kept.region ?? 'EU', liked: new Set(kept.liked), hidden: new Set(kept.hidden), cart: kept.cart ?? [] };
const home = $('personal'); // lives longer than the page around it
const clicks = new Map(); // event id -> when, until a list shows that it knows the event
const measured = [];
let profile = {}, popular = [], unsubscribe, queued;

const heliotrope = createClient({ region: state.region, writeKey: document.body.dataset.writeKey || undefined });
window.heliotrope = heliotrope; // to play with in the console

const keep = () => {
  for (const set of [state.liked, state.hidden]) while (set.size > MOST_MARKED) set.delete(set.values().next().value);
  try { localStorage.shop = JSON.stringify({ region: state.region, liked: [...state.liked], hidden: [...state.hidden], cart: state.cart }); } catch { /* this page only */ }
};

function say(text) {
  $('say').textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $('say').textContent = ''; }, 4000);
}

/** Tracks what the visitor did, and begins to measure how long until the list knows. */
function act(type, fields, when = performance.now()) {
  const event = heliotrope.track(type, fields);
  clicks.set(event.event_id, { when, timestamp: event.timestamp });
  if (clicks.size > 50) clicks.delete(clicks.keys().next().value);
  return event;
}

// ---- the list

function draw() {
  const old = new Map([...home.children].map(section => [section.dataset.key, section]));
  const focused = placeOfFocus();
  const sections = sectionsOf({ ...profile, trending_recommendations: profile.trending_recommendations?.length ? profile.trending_recommendations : popular }, state.hidden, state.region);
  home.replaceChildren(...sections.map(section => drawSection(section, old.get(section.key))));
  if (focused) giveBackFocus(focused);
  for (const link of $('categories').children) link.classList.toggle('liked', (profile.version ?? 0) > 0 && (profile.category_data ?? []).slice(0, 2).some(each => each.category_id === link.dataset.categoryId));
  heliotrope.observe(home);
}

/** What of the lists has the keyboard's focus, and where it stands: moving an element takes the focus from it. */
function placeOfFocus() {
  const element = document.activeElement, line = element?.closest('#personal li');
  if (!line) return undefined;
  return { element, key: line.closest('.section').dataset.key, index: [...line.parentElement.children].indexOf(line) };
}

/** To where it was, else to what stands in its place now: whoever goes by keyboard is not thrown out of the list. */
function giveBackFocus({ element, key, index }) {
  if (element.isConnected) element.focus({ preventScroll: true });
  if (element === document.activeElement) return;
  const section = [...home.children].find(each => each.dataset.key === key) ?? home.firstElementChild;
  const lines = section?.querySelectorAll('.cards > li, .bundles > li') ?? [];
  lines[Math.min(index, lines.length - 1)]?.querySelector('a, button').focus({ preventScroll: true });
}

function drawSection(section, element) {
  if (!element) {
    element = document.createElement('section');
    element.append(document.createElement('h2'), document.createElement('p'), document.createElement('ul'));
    element.dataset.key = section.key;
    element.className = 'section' + (section.first ? ' first' : '');
    element.children[1].className = 'lead';
    element.children[2].className = section.bundles ? 'bundles' : 'cards';
  }
  const [title, lead, list] = element.children;
  title.textContent = section.title;
  lead.textContent = section.lead ?? '';
  lead.hidden = !section.lead;
  if (section.decision) element.dataset.decisionId = section.decision;
  else delete element.dataset.decisionId;
  if (section.bundles) {
    const key = JSON.stringify(section.bundles.map(bundle => [bundle.primary_product, bundle.bundle_items, bundle.discount]));
    if (list.dataset.bundles !== key) list.replaceChildren(...section.bundles.map(drawBundle));
    list.dataset.bundles = key;
    return element;
  }
  const cards = new Map([...list.children].map(card => [card.dataset.productId, card]));
  list.replaceChildren(...section.items.map(item => {
    let card = cards.get(item.product_id);
    if (!card) (card = makeCard(item.product_id)).classList.add('new');
    card.update(item, state.liked.has(item.product_id));
    return card;
  }));
  return element;
}

function drawBundle(bundle) {
  const card = makeBundle(bundle);
  card.querySelector('button').addEventListener('click', event => {
    act('checkout', { items: [bundle.primary_product, ...bundle.bundle_items].map(id => ({ product_id: id, quantity: 1 })) }, event.timeStamp);
    say('Bought together. Thank you!');
  });
  return card;
}

const idsIn = found => [
  ...(found.score_data ?? []).flatMap(item => [item.product_id, ...(item.reasons ?? []).map(reason => reason.product_id)]),
  ...(found.trending_recommendations ?? []).map(item => item.product_id),
  ...(found.bundled_discount_suggestions ?? []).flatMap(bundle => [bundle.primary_product, ...bundle.bundle_items]),
].filter(Boolean);

async function show(found) {
  queued = found;
  await know(idsIn(found), [...(found.score_data ?? []), ...(found.trending_recommendations ?? [])]).catch(() => {});
  if (queued !== found) return; // a newer one came meanwhile
  profile = found;
  draw();
  measure(found);
  $('status').textContent = { cold: 'new here', warming: 'becoming known', active: 'known here' }[found.status] ?? 'new here';
  $('policy').textContent = found.version > 0 ? (found.policy ?? '–').replaceAll('_', ' ') : `popularity (${found.served?.source ?? '–'})`;
  $('counted').textContent = found.counts?.applied ?? 0;
}

function measure(found) {
  const last = found.last_event;
  if (!last) return;
  for (const [id, { when, timestamp }] of clicks) {
    if (id !== last.event_id && timestamp >= last.timestamp) continue;
    clicks.delete(id); // a later event of the session is newer than the click, so the list knows that too
    requestAnimationFrame(() => setTimeout(() => note(performance.now() - when)));
  }
}

function note(ms) {
  measured.push(ms);
  if (measured.length > MOST_MEASURED) measured.shift();
  const sorted = [...measured].sort((a, b) => a - b), most = sorted.at(-1);
  $('last-ms').textContent = `${Math.round(ms)} ms`;
  $('median-ms').textContent = `${Math.round(sorted[sorted.length >> 1])} ms`;
  $('bars').replaceChildren(...measured.map(value => {
    const bar = document.createElement('i');
    bar.style.height = `${Math.max(12, 100 * value / most)}%`;
    return bar;
  }));
  document.dispatchEvent(new CustomEvent('measured', { detail: ms }));
}

/** What is popular in the region, as who is new there sees it: read for an id that nobody has. */
async function readPopular() {
  try {
    const answer = await fetch(`/v1/profile/${crypto.randomUUID?.() ?? 'nobody'}?${new URLSearchParams({ region: state.region, limit: '6' })}`);
    const found = answer.ok ? await answer.json() : {};
    if (found.served?.source !== 'region') return;
    await know(idsIn(found));
    popular = found.score_data.map(item => ({ product_id: item.product_id, region: state.region }));
    draw();
  } catch { /* the next time */ }
}

function follow() {
  unsubscribe?.();
  unsubscribe = heliotrope.subscribe(found => { link(); show(found); }, { metadata: 1 });
}

function link() {
  const online = navigator.onLine;
  $('link').dataset.state = online ? 'live' : 'offline';
  $('link-text').textContent = online ? 'live' : 'offline: clicks are kept';
  $('session').textContent = heliotrope.sessionId;
}

// ---- pages without a reload

async function go(address, push = true) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.headers.get('content-type')?.startsWith('text/html')) return location.assign(address);
  const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
  $('page').replaceWith(document.adoptNode(next.getElementById('page')));
  document.title = next.title;
  if (push) history.pushState({}, '', address);
  arrive();
  $('page').focus({ preventScroll: true });
  scrollTo({ top: 0, behavior: 'instant' });
}

function arrive() {
  const { view, productId, categoryId, query } = $('page').dataset;
  document.querySelector('[data-slot="personal"]').replaceWith(home);
  for (const anchor of document.querySelectorAll('.categories a')) anchor.parentElement.dataset.categoryId === categoryId ? anchor.ariaCurrent = 'page' : anchor.removeAttribute('aria-current');
  if (view === 'search') $('q').value = query ?? '';
  if (view === 'search' && query) act('search', { query });
  if (view === 'category') act('category_view', { category_id: categoryId });
  if (view === 'product') {
    know([productId]);
    if (go.viewed !== productId) act('product_view', { product_id: productId, category_id: categoryId });
    const thumb = document.querySelector('[data-act="up"]');
    thumb.ariaPressed = String(state.liked.has(productId));
  }
  go.viewed = undefined;
}

document.addEventListener('click', event => {
  const anchor = event.target.closest('a[href]');
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey || event.button || anchor.origin !== location.origin) return;
  if (!/^\/($|p\/|c\/|search)/.test(anchor.pathname) || anchor.hash) return;
  event.preventDefault();
  const viewed = anchor.closest('[data-product-id]')?.dataset.productId ?? anchor.dataset.part;
  if (viewed && anchor.pathname.startsWith('/p/')) {
    // The click says it already: the list need not wait for the page.
    act('product_view', { product_id: viewed, category_id: product(viewed).category_id, decision_id: anchor.closest('[data-decision-id]')?.dataset.decisionId }, event.timeStamp);
    go.viewed = viewed;
  }
  go(anchor.href);
});
document.querySelector('.search').addEventListener('submit', event => {
  event.preventDefault();
  go('/search?' + new URLSearchParams({ q: $('q').value }));
});
addEventListener('popstate', () => go(location.href, false));

// ---- what a visitor says

function thumb(id, value, decision, when) {
  act('feedback', { product_id: id, feedback: { kind: 'thumb', value }, ...(decision && { decision_id: decision }) }, when);
  state.liked[value > 0 ? 'add' : 'delete'](id);
  state.hidden[value > 0 ? 'delete' : 'add'](id);
  keep();
  draw();
  say(value > 0 ? `More like ${product(id).title}` : `${product(id).title} will not be shown to you again`);
}

document.addEventListener('click', event => {
  const button = event.target.closest('button.thumb');
  if (button) {
    const id = button.closest('[data-product-id]').dataset.productId;
    thumb(id, button.classList.contains('up') ? 1 : -1, button.closest('[data-decision-id]')?.dataset.decisionId, event.timeStamp);
    if (button.dataset.act) button.ariaPressed = 'true';
  }
  if (event.target.closest('[data-act="cart"]')) {
    const { productId, categoryId } = $('page').dataset;
    act('add_to_cart', { product_id: productId, category_id: categoryId }, event.timeStamp);
    state.cart = [...state.cart, productId].slice(-100);
    drawCart();
    say('In your cart');
  }
  for (const why of document.querySelectorAll('.why[open]')) if (!why.contains(event.target)) why.open = false;
});
document.addEventListener('keydown', event => {
  const why = event.key === 'Escape' && document.querySelector('.why[open]');
  if (why) { why.open = false; why.querySelector('summary').focus(); }
});

function drawCart() {
  $('cart-count').textContent = state.cart.length;
  keep();
}
$('cart').addEventListener('click', async () => {
  await know(state.cart).catch(() => {});
  $('basket-items').replaceChildren(...state.cart.map(id => {
    const line = document.createElement('li'), price = document.createElement('span');
    line.textContent = product(id).title;
    price.textContent = money(product(id).price);
    line.append(price);
    return line;
  }));
  $('buy').disabled = !state.cart.length;
  $('basket').showModal();
});
$('basket').addEventListener('close', () => {
  if ($('basket').returnValue !== 'buy' || !state.cart.length) return;
  act('checkout', { items: state.cart.map(id => ({ product_id: id, quantity: 1 })) });
  state.cart = [];
  drawCart();
  say('Bought. Thank you!');
});

$('region').value = state.region;
$('region').addEventListener('change', () => {
  heliotrope.region = state.region = $('region').value;
  popular = [];
  keep();
  follow();
  readPopular();
  say(`Shopping in ${state.region}`);
});

async function consent(granted) {
  $('consent').hidden = true;
  heliotrope.consent(granted);
  say(granted ? 'Thank you: this shop is yours now' : 'Nothing is remembered');
  if (!granted) {
    unsubscribe?.();
    queued = undefined;
    profile = {};
    clicks.clear();
    draw();
  }
  await heliotrope.flush();
  if (!granted) await forgotten();
  follow();
}

/** Waits until the profile is gone: a removal is not pushed, and what is read before it would stay on screen. */
async function forgotten() {
  for (let tries = 0; tries < 50; tries++) {
    const found = await heliotrope.profile().catch(() => ({ version: 1 }));
    if (!found.version) return;
    await new Promise(done => setTimeout(done, 100));
  }
}
$('allow').addEventListener('click', () => consent(true));
$('refuse').addEventListener('click', () => consent(false));
$('privacy').addEventListener('click', () => { $('consent').hidden = false; $('allow').focus(); });
$('erase').addEventListener('click', async () => {
  heliotrope.erase();
  state.liked.clear();
  state.hidden.clear();
  state.cart = [];
  profile = {};
  clicks.clear();
  drawCart();
  draw();
  link();
  await heliotrope.flush();
  say('Erased. You begin anew.');
});

addEventListener('online', link);
addEventListener('offline', link);
$('consent').hidden = heliotrope.consented !== undefined;
drawCart();
link();
arrive();
follow();
readPopular();
setInterval(readPopular, 30_000);
