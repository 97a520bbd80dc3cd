import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** @type {import("next").NextConfig} */
export default {
  poweredByHeader: false,
  // The project begins here, whatever lock files lie in the folders above.
  outputFileTracingRoot: here,
  turbopack: { root: here },
};
