// A page for React to render into, and what jsdom has not: event streams, and layout: what is on screen is said by the test.
import { JSDOM } from "jsdom";

export const page = new JSDOM("<!doctype html><body></body>", { url: "http://shop.test/", pretendToBeVisual: true });

/** The items that are watched; `show` brings them on screen. */
export const screen = {
  watched: new Set(),
  show() {
    const reports = new Set([...this.watched].map((one) => one.report));
    for (const report of reports) {
      const items = [...this.watched].filter((one) => one.report === report);
      report(items.map(({ element }) => ({ target: element, intersectionRatio: 1, isIntersecting: true })));
    }
  },
};

class IntersectionObserver {
  #mine = new Map();
  constructor(report) {
    this.report = report;
  }
  observe(element) {
    const one = { element, report: this.report };
    this.#mine.set(element, one);
    if (element.dataset.productId) screen.watched.add(one);
  }
  unobserve(element) {
    screen.watched.delete(this.#mine.get(element));
    this.#mine.delete(element);
  }
  disconnect() {
    for (const element of [...this.#mine.keys()]) this.unobserve(element);
  }
}

/** Server-sent events as far as the module needs them: no reconnection. */
class EventSource extends EventTarget {
  readyState = 0;
  #ends = new AbortController();
  constructor(address) {
    super();
    this.#read(address).catch(() => {
      this.readyState = 2;
      this.onerror?.();
    });
  }
  async #read(address) {
    const answer = await fetch(address, { signal: this.#ends.signal });
    this.readyState = 1;
    let text = "";
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + chunk).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const { event, data } = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
        this.dispatchEvent(new MessageEvent(event, { data }));
      }
    }
  }
  close() {
    this.readyState = 2;
    this.#ends.abort();
  }
}

/** Node's `fetch` takes Node's signals only, and jsdom's listeners jsdom's: here both take Node's. */
function takeNodesSignals({ EventTarget }) {
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    if (!options?.signal) return add.call(this, type, listener, options);
    const { signal, ...others } = options;
    signal.addEventListener("abort", () => this.removeEventListener(type, listener, others));
    return add.call(this, type, listener, others);
  };
}

/** Makes this process a browser. Node's own `fetch` stays. */
export function openBrowser() {
  const { window } = page;
  takeNodesSignals(window);
  for (const name of ["document", "localStorage", "MutationObserver", "HTMLElement", "Node"]) globalThis[name] = window[name];
  globalThis.window = window;
  globalThis.CSS = { escape: (text) => text };
  Object.assign(globalThis, { EventSource, IntersectionObserver });
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  Object.defineProperty(globalThis, "navigator", { value: window.navigator, configurable: true });
  window.navigator.sendBeacon = () => false;
}
