// Heliotrope in the browser: docs/browser.md.
/** @typedef {Record<string, any>} Fields */
const KEY = 'heliotrope.', LIFE = 1728e5, BATCH = 10, MOST = 500;
const uuid = () => crypto.randomUUID?.() ?? URL.createObjectURL(new Blob()).slice(-36);

/** @param {{url?: string, writeKey?: string, token?: string | ((id: string) => string), region?: string, fields?: Fields, fetch?: typeof fetch, log?: (outcome: any) => void}} [options] */
export function createClient({ url = new URL('.', import.meta.url).href, writeKey, token, region, fields, fetch: get = fetch, log = console.debug } = {}) {
  const address = (path, query) => url.replace(/\/$/, '') + '/v1/' + path + '?' + new URLSearchParams(JSON.parse(JSON.stringify(query)));
  const trackUrl = address('track', { write_key: writeKey });
  const page = globalThis.document, ends = new AbortController();
  const subscriptions = new Set(), visible = new Map(), seen = new WeakMap();
  let store = {}, current, timer, hurry, notBefore = 0, failures = 0, sending, inFlight = [], watch;
  try { store = localStorage ?? store; } catch {}

  const write = (key, value) => {
    try { store[KEY + key] = value; } catch { store = { ...store, [KEY + key]: value }; }
  };
  const drop = key => delete store[key];
  const waiting = (prefix = 'q') => Object.keys(store).filter(key => key.startsWith(KEY + prefix)).sort();
  const body = keys => `{"events":[${keys.map(key => store[key])}]}`;
  const ready = () => navigator.onLine && Date.now() >= notBefore;
  const request = (address, options) => get(address, { signal: AbortSignal.timeout(2e4), ...options });
  const renew = () => subscriptions.forEach(open => open());

  const sessionId = () => {
    const now = Date.now();
    let [id, until] = store[KEY + 'session']?.split(' ') ?? [];
    if (!(until > now)) id = uuid(), until = 0;
    if (until < now + LIFE - 6e4) write('session', id + ' ' + (now + LIFE));
    if (id != current) current && setTimeout(renew), current = id;
    return id;
  };

  /** @param {string} type @param {Fields} [more] */
  const track = (type, more) => {
    const about = type == 'consent' || type == 'erase';
    const event = { event_id: uuid(), session_id: sessionId(), event_type: type, timestamp: Date.now(), region: client.region, ...fields, ...more };
    if (about) waiting('q1').forEach(drop);
    else if (store[KEY + 'consent'] == 'false') return event;
    write((about ? 'qc' : 'q') + event.timestamp + event.event_id, JSON.stringify(event));
    const keys = waiting();
    keys.slice(0, -MOST).forEach(drop);
    hurry ||= type != 'impression' || keys.length >= BATCH;
    schedule(hurry ? 10 : 1e3);
    return event;
  };

  const schedule = delay => {
    clearTimeout(timer);
    timer = setTimeout(flush, Math.max(delay, notBefore - Date.now()));
  };

  const flush = () => sending ??= send().finally(() => {
    sending = hurry = null;
    inFlight = [];
    if (waiting()[0]) schedule(1e3);
  });

  const send = async () => {
    while (ready() && (inFlight = waiting().slice(0, BATCH))[0]) {
      const text = body(inFlight);
      const answer = await request(trackUrl, { method: 'POST', body: text, keepalive: text.length < 6e4 }).catch(log) ?? {};
      if (answer.ok || [400, 413, 415].includes(answer.status)) inFlight.forEach(drop), failures = 0;
      else notBefore = Date.now() + Math.max(500 * 2 ** Math.min(failures++, 6) * (1 + Math.random()), answer.headers?.get('retry-after') * 1e3 || 0);
      answer.json?.().then(log, log);
    }
  };

  const leave = () => {
    const keys = waiting().filter(key => !inFlight.includes(key)).slice(0, 50);
    if (keys[0] && ready() && navigator.sendBeacon(trackUrl, body(keys))) keys.forEach(drop);
  };

  /** @param {string} decisionId @param {string[]} shown */
  const impression = (decisionId, shown) => track('impression', { decision_id: decisionId, shown });

  const show = batch => {
    if (page.hidden) return setTimeout(show, 1e3, batch);
    const ids = new Set();
    visible.forEach((since, item) => {
      const id = item.closest('[data-decision-id]')?.dataset.decisionId;
      if (since == batch && id && seen.get(item) != id) seen.set(item, id), ids.add(id);
    });
    ids.forEach(id => { // all that was seen so far: places are positions
      const items = [...page.querySelectorAll('[data-product-id]')].filter(item => seen.get(item) == id);
      if (items[0]) impression(id, items.map(item => item.dataset.productId));
    });
  };

  /** Call it again when the list has changed. @param {Element} root */
  const observe = root => {
    watch ??= new IntersectionObserver(batch => {
      batch.forEach(({ target, intersectionRatio }) => intersectionRatio < .5 ? visible.delete(target) : visible.set(target, batch));
      setTimeout(show, 1e3, batch);
    }, { threshold: .5 });
    const items = [root, ...root.querySelectorAll('[data-product-id]')];
    const stop = () => items.forEach(item => { watch.unobserve(item); visible.delete(item); });
    stop();
    items.forEach(item => watch.observe(item));
    return stop;
  };

  const own = (path, query, id = sessionId()) => address(path + encodeURIComponent(id), { region: client.region, token: token?.call ? token(id) : token, ...query });

  /** @param {Fields} [query] */
  const profile = async query => {
    const answer = await request(own('profile/', query), { cache: 'no-cache' });
    if (!answer.ok) throw answer;
    return answer.json();
  };

  /** @param {(profile: any) => void} listener @param {Fields} [query] */
  const subscribe = (listener, query) => {
    let source, timer, wanted, busy, last = {};
    const load = async notice => {
      wanted = notice;
      if (busy) return;
      do {
        busy = wanted;
        try {
          last = await profile({ min_version: busy.version, wait_ms: 1e3, ...query });
          subscriptions.has(open) && listener(last);
        } catch (error) { log(error); }
      } while (wanted != busy && !(wanted.updated_at <= last.updated_at));
      busy = 0;
      later();
    };
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => source.readyState == 1 || open(), last.refresh_after_ms ?? 3e4);
    };
    const open = () => {
      clearTimeout(timer);
      source?.close();
      if (page.hidden || ends.signal.aborted || !subscriptions.has(open)) return;
      load({});
      source = new EventSource(own('stream/', { last_event_id: '0-0' }));
      source.addEventListener('profile-updated', event => load(JSON.parse(event.data)));
      source.onerror = later;
    };
    subscriptions.add(open);
    open();
    return () => { subscriptions.delete(open); open(); };
  };

  const client = {
    get sessionId() { return sessionId(); },
    get consented() { return store[KEY + 'consent']; },
    region, track, impression, observe, profile, subscribe, flush,
    /** @param {boolean} granted */
    consent: granted => { write('consent', granted + ''); return track('consent', { granted }); },
    erase: () => { const event = track('erase'); drop(KEY + 'session'); sessionId(); return event; },
    close: () => { leave(); ends.abort(); watch?.disconnect(); renew(); },
  };
  const on = (target, type, listener) => target?.addEventListener?.(type, listener, { signal: ends.signal });
  on(globalThis, 'online', () => { notBefore = 0; flush(); renew(); });
  on(globalThis, 'pagehide', leave);
  on(globalThis, 'storage', sessionId);
  on(page, 'visibilitychange', () => { if (page.hidden) leave(); renew(); });
  if (waiting()[0]) schedule(10);
  return client;
}
