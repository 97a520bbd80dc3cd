// @ts-check
/**
 * Watches the items of a list, and anew when other items or another decision are in it. What else changes on the page
 * does not begin an item's second on screen anew.
 *
 * @param {import("./store.js").Client} client
 * @param {HTMLElement} root
 * @returns {() => void} ends it
 */
export function watchItems(client, root) {
  let watched = itemsOf(root);
  let stop = client.observe(root);
  const changes = new MutationObserver(() => {
    const now = itemsOf(root);
    if (now.length === watched.length && now.every((part, index) => part === watched[index])) return;
    watched = now;
    stop();
    stop = client.observe(root);
  });
  changes.observe(root, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["data-product-id", "data-decision-id"],
  });
  return () => {
    changes.disconnect();
    stop();
  };
}

/** Each item's element, product and decision, one after the other. @param {HTMLElement} root */
function itemsOf(root) {
  const items = [...root.querySelectorAll("[data-product-id]")];
  return items.flatMap((item) => [
    item,
    item.getAttribute("data-product-id"),
    item.closest("[data-decision-id]")?.getAttribute("data-decision-id"),
  ]);
}
