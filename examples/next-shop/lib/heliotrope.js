// The service's addresses, read when a page is rendered: one build runs everywhere.
import "server-only";
import { cookies } from "next/headers";
import { fetchProfile } from "heliotrope-react/server";

const URL = process.env.HELIOTROPE_URL ?? "http://127.0.0.1:8080";
// How long a page may wait for the profile; the way there and back has 100 ms more.
const BUDGET_MS = Number(process.env.HELIOTROPE_BUDGET_MS ?? 50);
const REGION = process.env.SHOP_REGION;
const COOKIE = "heliotrope_session"; // set by the provider

/** What the browser's provider is given. */
export function connection() {
  return {
    url: process.env.HELIOTROPE_PUBLIC_URL ?? URL,
    writeKey: process.env.HELIOTROPE_WRITE_KEY,
    region: REGION,
    cookie: COOKIE,
  };
}

/** The visitor's profile within a budget, or null. */
export async function profile() {
  const session = (await cookies()).get(COOKIE)?.value;
  return fetchProfile(session, { url: URL, budgetMs: BUDGET_MS, metadata: true, region: REGION });
}
