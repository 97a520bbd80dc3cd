// @ts-check
// One session's client, made on first use and never on a server, with the profile and the consent that it has.
import { createClient } from "./heliotrope.js";

/**
 * @typedef {NonNullable<Parameters<typeof createClient>[0]>} Options
 * @typedef {ReturnType<typeof createClient>} Client
 * @typedef {import("./profile.js").Profile} Profile
 * @typedef {() => void} Listener
 */

/**
 * What the hooks of one provider share: one client, one subscription, one profile. Twenty components that show parts of
 * a profile cost one open stream.
 *
 * @param {Options} options of `createClient`
 * @param {string} [cookie] the name of a cookie that holds the session's id for the shop's own server
 */
export function createStore(options, cookie) {
  /** @type {Client | null} */
  let client = null;
  /** @type {Profile | null} */
  let profile = null;
  /** @type {boolean | null | undefined} */
  let granted;
  /** @type {(() => void) | null} */
  let stop = null;
  let withMetadata = false;
  let planned = false;
  /** @type {Map<Listener, boolean>} whether each needs metadata */
  const readers = new Map();
  /** @type {Set<Listener>} */
  const askers = new Set();

  /** The client. Its session is another one after an erasure and after two days, so the cookie is set at each use. */
  function connection() {
    if (typeof window === "undefined") throw new Error("a server has no session: use this in an effect or a handler");
    client ??= createClient(options);
    if (cookie) keepInCookie(cookie, client.sessionId);
    return client;
  }

  /** @param {Profile} received */
  function receive(received) {
    profile = received;
    for (const listener of [...readers.keys()]) listener();
  }

  // The components of a page subscribe one after the other; the stream is opened once, for what all of them need.
  function plan() {
    if (planned) return;
    planned = true;
    queueMicrotask(() => {
      planned = false;
      const metadata = [...readers.values()].includes(true);
      if (stop && (readers.size === 0 || (metadata && !withMetadata))) {
        stop();
        stop = null;
      }
      if (!stop && readers.size > 0) {
        withMetadata = metadata;
        stop = connection().subscribe(receive, metadata ? { metadata: 1 } : undefined);
      }
    });
  }

  function readConsent() {
    const said = connection().consented;
    const now = said === undefined || said === null || said === "" ? null : String(said) === "true";
    if (now === granted) return;
    granted = now;
    for (const listener of [...askers]) listener();
  }

  return {
    connection,
    readConsent,
    profile: () => profile,
    granted: () => granted,
    /** @param {Listener} listener @param {boolean} metadata */
    subscribe(listener, metadata) {
      readers.set(listener, metadata);
      plan();
      return () => {
        readers.delete(listener);
        plan();
      };
    },
    /** @param {Listener} listener */
    subscribeToConsent(listener) {
      askers.add(listener);
      readConsent();
      window.addEventListener("storage", readConsent); // another tab's answer
      return () => {
        askers.delete(listener);
        window.removeEventListener("storage", readConsent);
      };
    },
    /** Ends the connection. The next use makes another: strict mode unmounts once and mounts again. */
    close() {
      stop?.();
      stop = null;
      client?.close();
      client = null;
    },
  };
}

const COOKIE_SECONDS = 48 * 3600;

/** @param {string} name @param {string} sessionId */
function keepInCookie(name, sessionId) {
  const secure = window.location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${encodeURIComponent(sessionId)}; path=/; max-age=${COOKIE_SECONDS}; samesite=lax${secure}`;
}
