// Stands for the shop's own database: what a product page says, and what is shown if Heliotrope cannot be reached.
import "server-only";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const FILE = process.env.SHOP_CATALOGUE ?? join(process.cwd(), "../../conf/demo/catalogue.jsonl");

let loading;

function catalogue() {
  loading ??= readFile(/* turbopackIgnore: true */ FILE, "utf8").then(
    (text) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line)),
  );
  return loading;
}

export async function product(id) {
  return (await catalogue()).find((one) => one.product_id === id) ?? null;
}

/** The best rated products, in a profile's form. */
export async function bestRated(count) {
  const sorted = [...(await catalogue())].sort((a, b) => (b.rating ?? 0) - (a.rating ?? 0));
  return { score_data: sorted.slice(0, count) };
}
