"use client";
// @ts-check
// The hooks. A server renders them without a connection; the browser opens one when the first of them needs it.
import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { watchItems } from "./impressions.js";
import { newest } from "./profile.js";
import { createStore } from "./store.js";

/**
 * @typedef {import("./profile.js").Item} Item
 * @typedef {import("./profile.js").Profile} Profile
 *
 * @typedef {object} OwnProps
 * @property {string} url where Heliotrope serves HTTP
 * @property {string} [cookie] the name of a cookie to keep the session's id in, for a server that renders from the profile
 * @property {import("react").ReactNode} [children]
 * @typedef {Omit<import("./store.js").Options, "url"> & OwnProps} ProviderProps
 *
 * @typedef {object} Wanted
 * @property {number} [limit] the most items
 * @property {boolean} [metadata] whether items have title, price, image and url
 */

const Store = createContext(/** @type {ReturnType<typeof createStore> | null} */ (null));

function useStore() {
  const store = useContext(Store);
  if (!store) throw new Error("there is no <HeliotropeProvider> above this component");
  return store;
}

/**
 * Gives the components below it one session. Functions among the options may be new ones at each render; any other
 * change begins a new connection.
 *
 * @param {ProviderProps} props
 * @returns {import("react").ReactElement}
 */
export function HeliotropeProvider({ children, cookie, ...options }) {
  /** @type {Record<string, any>} */
  const given = options;
  const latest = useRef(given);
  useEffect(() => {
    latest.current = given;
  });
  const functions = Object.keys(given).filter((name) => typeof given[name] === "function");
  const key = JSON.stringify([options, functions, cookie]);
  const store = useMemo(() => {
    const [plain, names] = JSON.parse(key);
    for (const name of names) plain[name] = (/** @type {any[]} */ ...values) => latest.current[name](...values);
    return createStore(plain, cookie);
  }, [key, cookie]);
  useEffect(() => {
    if (cookie) store.connection();
    return () => store.close();
  }, [store, cookie]);
  return createElement(Store.Provider, { value: store }, children);
}

/**
 * The session's profile, live: the component renders again when it changes.
 *
 * @overload
 * @param {Wanted & {initial: Profile}} wanted `initial` is what the server rendered, so that hydration agrees with it
 * @returns {Profile}
 */
/**
 * @overload
 * @param {Wanted & {initial?: Profile | null}} [wanted]
 * @returns {Profile | null} null until the first one has come
 */
/**
 * @param {Wanted & {initial?: Profile | null}} [wanted]
 * @returns {Profile | null}
 */
export function useProfile({ limit, metadata = false, initial = null } = {}) {
  const store = useStore();
  const subscribe = useCallback((/** @type {() => void} */ listener) => store.subscribe(listener, metadata), [store, metadata]);
  const received = useSyncExternalStore(subscribe, store.profile, () => null);
  return useMemo(() => {
    const profile = newest(initial, received);
    return profile?.score_data && limit !== undefined ? { ...profile, score_data: profile.score_data.slice(0, limit) } : profile;
  }, [initial, received, limit]);
}

/**
 * A function that sends an event, `track("product_view", {product_id})`. It is the same at each render. Call it in
 * effects and handlers, not while rendering.
 *
 * @returns {(type: string, fields?: Record<string, any>) => void}
 */
export function useTrack() {
  const store = useStore();
  return useCallback((type, fields) => void store.connection().track(type, fields), [store]);
}

/**
 * A ref for the element around a list. What of it was half visible for a second is sent as seen: each
 * `[data-product-id]` below a `[data-decision-id]`.
 *
 * @returns {(element: HTMLElement | null) => void}
 */
export function useImpression() {
  const store = useStore();
  const [root, setRoot] = useState(/** @type {HTMLElement | null} */ (null));
  useEffect(() => (root ? watchItems(store.connection(), root) : undefined), [store, root]);
  return setRoot;
}

/**
 * The visitor's consent. `granted` is null if nobody has asked yet, and undefined on a server and in the first paint:
 * show the question if it is null.
 */
export function useConsent() {
  const store = useStore();
  const granted = useSyncExternalStore(store.subscribeToConsent, store.granted, () => undefined);
  const actions = useMemo(() => {
    const answer = (/** @type {boolean} */ yes) => {
      store.connection().consent(yes);
      store.readConsent();
    };
    return {
      grant: () => answer(true),
      withdraw: () => answer(false),
      /** Deletes what is held of the session and begins another. */
      erase() {
        store.connection().erase();
        store.connection(); // the cookie names the new session
      },
    };
  }, [store]);
  return { granted, ...actions };
}
