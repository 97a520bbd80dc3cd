const form = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });

export function price(value) {
  return typeof value === "number" ? form.format(value) : "";
}
