"use client";
import { useEffect, useState } from "react";
import { useTrack } from "heliotrope-react";
import { price } from "./price";

export function Product({ product }) {
  const track = useTrack();
  const [said, say] = useState("");
  const { product_id, category_id } = product;

  useEffect(() => {
    track("product_view", { product_id, category_id });
  }, [track, product_id, category_id]);

  const add = () => {
    track("add_to_cart", { product_id, category_id, price: product.price, quantity: 1 });
    say("In your cart.");
  };
  const thumb = (value) => {
    track("feedback", { product_id, feedback: { kind: "thumb", value } });
    say(value > 0 ? "Glad you like it." : "We will not suggest it again.");
  };

  return (
    <article>
      <h1>{product.title}</h1>
      <p className="price">{price(product.price)}</p>
      <p>
        <button onClick={add}>Add to cart</button> <button onClick={() => thumb(1)}>I like it</button>{" "}
        <button onClick={() => thumb(-1)}>Not for me</button>
      </p>
      <p role="status">{said}</p>
    </article>
  );
}
