// @ts-check
/**
 * What the hooks and a server use of a profile; docs/events.md has all of it.
 *
 * @typedef {object} Item
 * @property {string} product_id
 * @property {number} [score]
 * @property {Record<string, any>[]} [reasons]
 * @property {string | null} [title] with `metadata`, as are `price`, `image` and `url`
 * @property {number | null} [price]
 * @property {string | null} [image]
 * @property {string | null} [url]
 *
 * @typedef {object} Profile
 * @property {Item[]} [score_data] in the order to show it
 * @property {string} [session_id]
 * @property {number} [generation]
 * @property {number} [version]
 * @property {string} [decision_id]
 * @property {string} [status] `cold`, `warming` or `active`
 * @property {Record<string, any>[]} [category_data]
 * @property {Record<string, any>[]} [bundled_discount_suggestions]
 * @property {Record<string, any>[]} [trending_recommendations]
 * @property {{source: string, age_ms?: number, waited_ms?: number, reason?: string}} [served] which list this is, and why
 */

/**
 * What to show of what the server rendered and what the browser has received since: the latter, unless a page that was
 * rendered meanwhile knows more of the same session.
 *
 * @param {Profile | null} rendered
 * @param {Profile | null} received
 * @returns {Profile | null}
 */
export function newest(rendered, received) {
  if (!rendered || !received) return received ?? rendered;
  const [ahead, behind] = [rendered, received].map((one) => [one.generation ?? 0, one.version ?? 0]);
  const later = ahead[0] > behind[0] || (ahead[0] === behind[0] && ahead[1] > behind[1]);
  return later && rendered.session_id === received.session_id ? rendered : received;
}
