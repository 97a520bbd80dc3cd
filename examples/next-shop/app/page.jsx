import { Sections } from "../components/sections";
import { bestRated } from "../lib/catalogue";
import { profile } from "../lib/heliotrope";

export default async function Home() {
  return <Sections initial={(await profile()) ?? (await bestRated(8))} />;
}
