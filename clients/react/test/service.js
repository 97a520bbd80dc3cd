// A service of the forms that the hooks meet, on a port of its own: what it was sent, and the profile that it answers.
import { createServer } from "node:http";
import { once } from "node:events";

export async function startService() {
  const service = { events: [], reads: [], profile: null, hangs: false };
  const streams = new Set();
  const server = createServer(async (request, response) => {
    const address = new URL(request.url, "http://service.test");
    response.setHeader("access-control-allow-origin", "*");
    if (address.pathname === "/v1/track") {
      const chunks = await request.toArray();
      // Clients of one browser share what waits, so an event may come twice; the job applies it once, by its id.
      const known = new Set(service.events.map((event) => event.event_id));
      const { events } = JSON.parse(Buffer.concat(chunks));
      service.events.push(...events.filter((event) => !known.has(event.event_id)));
      response.writeHead(202, { "content-type": "application/json" }).end('{"accepted": 1, "rejected": []}');
      return;
    }
    if (address.pathname.startsWith("/v1/stream/")) {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      streams.add(response);
      response.on("close", () => streams.delete(response));
      return;
    }
    service.reads.push(address);
    if (service.hangs) return;
    const profile = { session_id: decodeURIComponent(address.pathname.split("/").at(-1)), refresh_after_ms: 30_000, ...service.profile };
    response.writeHead(service.status ?? 200, { "content-type": "application/json" }).end(JSON.stringify(profile));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  service.url = `http://127.0.0.1:${server.address().port}`;
  /** Another profile, and the news of it. */
  service.publish = (profile) => {
    service.profile = profile;
    const { version } = profile;
    for (const stream of streams) stream.write(`event: profile-updated\nid: 1-${version}\ndata: {"version": ${version}, "updated_at": ${version}}\n\n`);
  };
  service.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return service;
}

export const slate = (version, ...products) => ({
  generation: 1,
  version,
  updated_at: version,
  decision_id: `d${version}`,
  score_data: products.map((product_id) => ({ product_id, title: product_id.toUpperCase() })),
});
