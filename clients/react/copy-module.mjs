// Packages the browser's module with the hooks. Git has one copy of it, the one that the service sends.
import { copyFileSync, existsSync } from "node:fs";

const from = new URL("../../serving/pages/static/heliotrope.js", import.meta.url);
const to = new URL("src/heliotrope.js", import.meta.url);
const licence = new URL("../../LICENSE", import.meta.url);

if (existsSync(from)) {
  copyFileSync(from, to);
  copyFileSync(licence, new URL("LICENSE", import.meta.url));
} else if (!existsSync(to)) {
  throw new Error(`${from.pathname} is not there: run this in a checkout of Heliotrope`);
}
