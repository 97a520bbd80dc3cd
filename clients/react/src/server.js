// @ts-check
// What a server renders from: one request with a budget, and a list of the shop's own if it comes to nothing.

/**
 * @typedef {import("./profile.js").Profile} Profile
 */

/**
 * Reads a session's profile while a page is rendered. Never throws and never takes longer than `budgetMs + marginMs`.
 *
 * @param {string | null | undefined} sessionId of the cookie; without one the answer is what a new visitor gets
 * @param {object} options
 * @param {string} options.url where Heliotrope serves HTTP
 * @param {number} [options.budgetMs] how long the service may look for the profile before it sends a list instead
 * @param {number} [options.marginMs] how long the way there and back may take
 * @param {number} [options.limit] of items
 * @param {boolean} [options.metadata] whether items have title, price, image and url
 * @param {string} [options.region] whose popular items to take if there is no profile
 * @param {string} [options.token] of the session, if the service demands one
 * @param {AbortSignal} [options.signal]
 * @param {typeof globalThis.fetch} [options.fetch]
 * @returns {Promise<Profile | null>} null if the service cannot be reached in time: show a list of your own
 */
export async function fetchProfile(sessionId, options) {
  const { url, budgetMs = 50, marginMs = 100, fetch = globalThis.fetch } = options;
  const bound = AbortSignal.timeout(budgetMs + marginMs);
  try {
    const answer = await fetch(address(url, sessionId || crypto.randomUUID(), { budgetMs, ...options }), {
      cache: "no-store",
      signal: options.signal ? AbortSignal.any([options.signal, bound]) : bound,
    });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/**
 * @param {string} url
 * @param {string} sessionId
 * @param {{budgetMs: number, limit?: number, metadata?: boolean, region?: string, token?: string}} wanted
 */
function address(url, sessionId, { budgetMs, limit, metadata, region, token }) {
  const query = new URLSearchParams();
  const all = { budget_ms: budgetMs, limit, metadata: metadata ? 1 : undefined, region, token };
  for (const [name, value] of Object.entries(all)) if (value !== undefined) query.set(name, String(value));
  return `${url.replace(/\/+$/, "")}/v1/profile/${encodeURIComponent(sessionId)}?${query}`;
}
