import { notFound } from "next/navigation";
import { Product } from "../../../components/product";
import { product } from "../../../lib/catalogue";

export async function generateMetadata({ params }) {
  return { title: (await product((await params).id))?.title ?? "Not found" };
}

export default async function Page({ params }) {
  const found = await product((await params).id);
  if (!found) notFound();
  return <Product product={found} />;
}
