// What is on a card, a bundle and in a section. Text goes in as text only: no title is ever taken for HTML.

/** @typedef {{product_id: string, title: string, url: string, picture: string, price?: number, rating?: number, category_id?: string}} Product */
/** @typedef {{key: string, title: string, lead?: string, decision?: string, items?: any[], bundles?: any[], first?: boolean}} Section */

const MOST_KNOWN = 2000;
const MOST_ASKED = 60;
const FIRST = 10;
const LEAST = 2;
const { sentences, nameless } = JSON.parse(document.body.dataset.words);
const euro = new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' });
const known = /** @type {Map<string, Product>} */ (new Map());

export const money = price => price == null ? '' : euro.format(price);

export const nameOf = categoryId => categoryId.slice(0, 1).toUpperCase() + categoryId.slice(1).replace(/[-_]/g, ' ');

/** What is known of a product; until more is known, its id. @param {string} id @returns {Product} */
export const product = id => known.get(id) ?? {
  product_id: id, title: id, url: '/p/' + encodeURIComponent(id), picture: '/shop/picture/' + encodeURIComponent(id),
};

const learn = found => {
  known.set(found.product_id, found);
  if (known.size > MOST_KNOWN) known.delete(known.keys().next().value);
};

/** Asks the shop for products that are not known yet; what it has not is taken from the profile's items. @param {string[]} ids @param {any[]} [items] */
export async function know(ids, items = []) {
  const missing = [...new Set(ids)].filter(id => !known.has(id));
  for (let start = 0; start < missing.length; start += MOST_ASKED) {
    const query = new URLSearchParams(missing.slice(start, start + MOST_ASKED).map(id => ['id', id]));
    const answer = await fetch('/shop/products?' + query);
    if (answer.ok) (await answer.json()).forEach(learn);
  }
  const facts = new Map(items.map(item => [item.product_id, item]));
  for (const id of missing) {
    const { title, price, url, image } = facts.get(id) ?? {}, other = product(id);
    if (!known.has(id)) learn({ ...other, title: title ?? other.title, price, url: web(url) ?? other.url, picture: web(image) ?? other.picture });
  }
}

/** An address of the web, or nothing: a product's own text may be any. */
const web = address => /^https?:\/\//.test(address ?? '') ? address : undefined;

/** A reason as a sentence. */
export function sentence({ code, product_id: id, category_id: category, region }) {
  const named = { product: id && product(id).title, category: category && nameOf(category), region };
  const pattern = sentences[code] ?? code.replaceAll('_', ' ');
  const [, gap] = /\{(\w+)\}/.exec(pattern) ?? [];
  return gap && !named[gap] ? nameless[code] : pattern.replace(/\{(\w+)\}/, () => named[gap]);
}

/** The heading of a section of items with this reason. */
const heading = reason => ({
  category_affinity: `Because you like ${nameOf(reason.category_id ?? 'this')}`,
  product_affinity: `More like ${reason.product_id ? product(reason.product_id).title : 'what you viewed'}`,
  goes_together: `Goes well with ${reason.product_id ? product(reason.product_id).title : 'what you viewed'}`,
  popular_in_region: `Popular in ${reason.region ?? 'your region'}`,
  trending: 'On the rise now',
  popular: 'What others like',
  well_rated: 'Rated highly by others',
  new_arrival: 'New in the shop',
  price_match: 'At the price you look for',
  right_now: 'Right for this moment',
  exploration: 'Something different',
}[reason.code] ?? 'More for you');

/** The sections of a profile: its first items in its own order, the rest by their strongest reason. @returns {Section[]} */
export function sectionsOf(profile, hidden, region) {
  const items = (profile.score_data ?? []).filter(item => !hidden.has(item.product_id));
  const personal = profile.served?.source === 'profile' || profile.served?.source === 'stale' || profile.version > 0;
  const decision = profile.decision_id;
  const sections = [personal
    ? { key: 'loved', title: 'Items you may love', lead: 'Based on your recent interactions', decision, first: true, items: items.slice(0, FIRST) }
    : { key: 'popular', title: 'Popular right now', lead: 'Look at something, and this list becomes yours', decision, first: true, items: items.slice(0, FIRST) }];
  const groups = new Map();
  for (const item of items.slice(FIRST)) {
    const reason = item.reasons?.[0] ?? { code: 'general' };
    const title = heading(reason);
    if (!groups.has(title)) groups.set(title, { key: 'because-' + title, title, decision, items: [] });
    groups.get(title).items.push(item);
  }
  const rest = { key: 'more', title: personal ? 'More for you' : 'More that others like', decision, items: [] };
  for (const group of [...groups.values()].sort((one, other) => other.items.length - one.items.length)) {
    group.items.length < LEAST || rest.items.length === 1 ? rest.items.push(...group.items) : sections.push(group);
  }
  if (rest.items.length) sections.push(rest);
  const bundles = (profile.bundled_discount_suggestions ?? []).filter(bundle => ![bundle.primary_product, ...bundle.bundle_items].some(id => hidden.has(id)));
  if (bundles.length) sections.splice(1, 0, { key: 'bundles', title: 'Better together', lead: 'With what you looked at', bundles });
  const above = new Set(items.map(item => item.product_id));
  const trending = (profile.trending_recommendations ?? []).filter(item => !hidden.has(item.product_id) && !above.has(item.product_id));
  if (trending.length) sections.push({ key: 'trending', title: `Trending in ${trending[0].region ?? region}`, items: trending });
  return sections.filter(section => section.items?.length || section.bundles?.length);
}

const fill = name => /** @type {HTMLElement} */ (/** @type {HTMLTemplateElement} */ (document.getElementById(name)).content.firstElementChild.cloneNode(true));

/** A card; `update` says anew what may change of it. */
export function makeCard(id) {
  const card = fill('card'), part = name => card.querySelector(name);
  card.dataset.productId = id;
  card.update = (item, liked) => {
    const { title, url, picture, price, rating } = product(id);
    part('.title').textContent = title;
    part('a').href = url;
    if (part('img').getAttribute('src') !== picture) part('img').src = picture;
    part('.price').textContent = money(price);
    part('.rating').textContent = rating == null ? '' : `★ ${rating.toFixed(1)}`;
    part('.up').ariaLabel = `I like ${title}`;
    part('.up').ariaPressed = String(liked);
    part('.down').ariaLabel = `Do not show me ${title}`;
    const reasons = item.reasons ?? [];
    part('.why').hidden = !reasons.length;
    part('summary').ariaLabel = `Why am I seeing ${title}?`;
    part('.why ul').replaceChildren(...reasons.map(reason => {
      const line = document.createElement('li'), meter = document.createElement('meter');
      line.textContent = sentence(reason);
      if (reason.share) {
        meter.value = reason.share;
        meter.ariaLabel = `${Math.round(reason.share * 100)} percent of the reason`;
        line.append(meter);
      }
      return line;
    }));
  };
  return card;
}

/** A bundle with what it costs together. */
export function makeBundle({ primary_product: first, bundle_items: others, discount }) {
  const card = fill('bundle'), parts = [first, ...others].map(product);
  card.querySelector('.parts').append(...parts.map(part => {
    const link = document.createElement('a'), image = new Image(320, 240);
    link.href = part.url;
    link.ariaLabel = part.title;
    link.dataset.part = part.product_id;
    image.src = part.picture;
    image.alt = '';
    image.className = 'picture';
    link.append(image);
    return link;
  }));
  card.querySelector('.names').textContent = parts.map(part => part.title).join(' + ');
  const total = parts.every(part => part.price != null) ? parts.reduce((sum, part) => sum + part.price, 0) : null;
  card.querySelector('.price').textContent = money(total == null ? null : total * (1 - discount));
  card.querySelector('s').textContent = money(total);
  card.querySelector('.save').textContent = `save ${Math.round(discount * 100)} %`;
  return card;
}
