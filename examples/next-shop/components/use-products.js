"use client";
import { useEffect, useState } from "react";

/** Title and price of some products by id; what is not there yet is asked for once. */
export function useProducts(ids) {
  const [known, learn] = useState({});
  const missing = ids.filter((id) => !(id in known)).join("\n");
  useEffect(() => {
    if (!missing) return undefined;
    const ended = new AbortController();
    const asked = missing.split("\n");
    const query = new URLSearchParams(asked.map((id) => ["id", id]));
    fetch(`/products?${query}`, { signal: ended.signal })
      .then((answer) => answer.json())
      .then((products) => {
        const nameless = Object.fromEntries(asked.map((product_id) => [product_id, { product_id }]));
        const named = Object.fromEntries(products.map((one) => [one.product_id, one]));
        learn((before) => ({ ...before, ...nameless, ...named }));
      })
      .catch(() => {}); // ids are shown until the next change
    return () => ended.abort();
  }, [missing]);
  return (id) => known[id] ?? { product_id: id };
}
