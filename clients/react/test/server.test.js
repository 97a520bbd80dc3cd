import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { newest } from "../src/profile.js";
import { fetchProfile } from "../src/server.js";
import { slate, startService } from "./service.js";

const PATIENT = { marginMs: 60_000 }; // this machine may be busy
let service;
before(async () => (service = await startService()));
beforeEach(() => Object.assign(service, { reads: [], profile: slate(1, "lamp"), hangs: false, status: 200 }));
after(() => service.close());

test("a profile is asked for with its budget", async () => {
  const profile = await fetchProfile("a/b", { url: `${service.url}/`, budgetMs: 30, limit: 4, metadata: true, region: "EU", token: "t", ...PATIENT });
  assert.equal(profile.session_id, "a/b");
  const [{ pathname, searchParams }] = service.reads;
  assert.equal(pathname, "/v1/profile/a%2Fb");
  assert.deepEqual(Object.fromEntries(searchParams), { budget_ms: "30", limit: "4", metadata: "1", region: "EU", token: "t" });
});

test("a visitor who is new has a session that is nobody's", async () => {
  const read = () => fetchProfile(undefined, { url: service.url, ...PATIENT });
  const [one, other] = [await read(), await read()];
  assert.match(one.session_id, /^[0-9a-f-]{36}$/);
  assert.notEqual(one.session_id, other.session_id);
});

test("a service that hangs, refuses, sends no JSON or is not there comes to nothing", async () => {
  service.status = 503;
  assert.equal(await fetchProfile("s", { url: service.url, ...PATIENT }), null);
  service.hangs = true;
  assert.equal(await fetchProfile("s", { url: service.url, budgetMs: 1, marginMs: 1 }), null);
  const text = async () => new Response("<html>");
  assert.equal(await fetchProfile("s", { url: service.url, fetch: text, ...PATIENT }), null);
  assert.equal(await fetchProfile("s", { url: "http://127.0.0.1:1", ...PATIENT }), null);
  assert.equal(await fetchProfile("s", { url: "no address", ...PATIENT }), null);
});

test("what the browser received is shown, unless the server has rendered something later of the same session", () => {
  const of = (session_id, version) => ({ session_id, ...slate(version, "lamp") });
  assert.equal(newest(null, null), null);
  assert.deepEqual(newest(of("s", 1), null), of("s", 1));
  assert.deepEqual(newest(of("s", 2), of("s", 1)), of("s", 2));
  assert.deepEqual(newest(of("s", 1), of("s", 2)), of("s", 2));
  assert.deepEqual(newest(of("erased", 9), of("s", 1)), of("s", 1));
  assert.deepEqual(newest(of("s", 1), { score_data: [] }), { score_data: [] });
});
