"use client";
// Rendered on the server from `initial`, and again in the browser whenever the visitor's profile changes.
import Link from "next/link";
import { useImpression, useProfile } from "heliotrope-react";
import { price } from "./price";
import { useProducts } from "./use-products";

const HEADINGS = {
  active: "Items you may love based on your recent interactions",
  warming: "Because of what you looked at",
};

export function Sections({ initial }) {
  const profile = useProfile({ limit: 8, metadata: true, initial });
  const seen = useImpression();
  const trending = (profile.trending_recommendations ?? []).slice(0, 4);
  const bundles = (profile.bundled_discount_suggestions ?? []).slice(0, 4);
  const nameless = [...profile.score_data.filter((item) => !item.title), ...trending, ...bundles.flatMap(productsOf)];
  const about = useProducts(nameless.map((one) => one.product_id));
  return (
    <>
      <Section title={HEADINGS[profile.status] ?? "Popular right now"} ref={seen} decisionId={profile.decision_id}>
        {profile.score_data.map((item) => (
          <Item key={item.product_id} product={item.title ? item : about(item.product_id)} />
        ))}
      </Section>
      <Section title="Trending now">
        {trending.map((item) => (
          <Item key={item.product_id} product={about(item.product_id)} />
        ))}
      </Section>
      <Section title="Better together">
        {bundles.map((bundle) => (
          <Bundle key={bundle.primary_product} products={productsOf(bundle).map((one) => about(one.product_id))} discount={bundle.discount} />
        ))}
      </Section>
    </>
  );
}

function productsOf({ primary_product, bundle_items }) {
  return [primary_product, ...bundle_items].map((product_id) => ({ product_id }));
}

function Section({ title, ref, decisionId, children }) {
  if (children.length === 0) return null;
  return (
    <section aria-label={title} ref={ref} data-decision-id={decisionId}>
      <h2>{title}</h2>
      <ul>{children}</ul>
    </section>
  );
}

function Item({ product }) {
  return (
    <li className="item" data-product-id={product.product_id}>
      <Link href={`/p/${encodeURIComponent(product.product_id)}`}>{product.title ?? product.product_id}</Link>
      <span className="price">{price(product.price)}</span>
    </li>
  );
}

function Bundle({ products, discount }) {
  return (
    <li className="item">
      {products.map((product) => (
        <Link key={product.product_id} href={`/p/${encodeURIComponent(product.product_id)}`}>
          {product.title ?? product.product_id}
        </Link>
      ))}
      <span className="price">together {Math.round(discount * 100)} % off</span>
    </li>
  );
}
