import Link from "next/link";
import { HeliotropeProvider } from "heliotrope-react";
import { ConsentBanner } from "../components/consent-banner";
import { connection } from "../lib/heliotrope";
import "./shop.css";

export const metadata = { title: "Next shop", description: "A shop whose sections follow the visitor, with Heliotrope" };

// Rendered per visitor, and its addresses are read then and not at the build.
export const dynamic = "force-dynamic";

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>
        <HeliotropeProvider {...connection()}>
          <header>
            <Link href="/">Next shop</Link>
          </header>
          <main>{children}</main>
          <ConsentBanner />
        </HeliotropeProvider>
      </body>
    </html>
  );
}
