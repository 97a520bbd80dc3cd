"""The storefront: pages that are whole without a script, and small reads for the script that makes them personal."""

from collections.abc import Iterable
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from serving.pages.assets import asset_route
from serving.pages.catalogue import Catalogue, Category
from serving.pages.html import Html, joined, render
from serving.pages.pictures import picture
from serving.problems import Refusal
from state.catalogue.product import Product
from state.profile.reasons import NAMELESS, SENTENCES

MOST_FOUND = 48
MOST_ASKED = 60
MOST_CATEGORIES = 24
ROW = 6
REGIONS = ("EU", "US", "APAC", "LATAM")
"""Those of the simulated shoppers."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {"content-security-policy": POLICY, "cache-control": "no-cache"}
KEPT = {"cache-control": "public, max-age=86400", "content-security-policy": "default-src 'none'"}


class Storefront:
    """Pages of one catalogue."""

    def __init__(self, catalogue: Catalogue, write_key: str = "") -> None:
        self._catalogue, self._write_key = catalogue, write_key
        shown = list(catalogue.categories.values())[:MOST_CATEGORIES]
        self._nav = joined([_category_link(each) for each in shown])
        self._rows = joined([_row(each) for each in shown])

    def routes(self) -> list[Route]:
        """Give all routes of the storefront."""
        return [
            Route("/", self.home),
            Route("/p/{product_id:path}", self.product),
            Route("/c/{category_id:path}", self.category),
            Route("/search", self.search),
            Route("/shop/products", self.products),
            Route("/shop/picture/{product_id:path}", self.picture),
            *(
                asset_route(f"/shop/{name}", name)
                for name in ("shop.js", "cards.js", "shop.css", "icon.svg", "icon-thumb.svg")
            ),
        ]

    async def home(self, request: Request) -> Response:
        """Serve categories by rating, each with its best."""
        return self._page("Heliotrope Goods", render("home", rows=self._rows), view="home")

    async def product(self, request: Request) -> Response:
        """Serve the page of one product."""
        product = self._found(request)
        body = render(
            "product",
            **_facts(product),
            category=title_of(product.category_id),
            category_url=_address("/c/", product.category_id),
            words=_words(product),
        )
        return self._page(
            f"{product.title or product.product_id} · Heliotrope Goods",
            body,
            view="product",
            product_id=product.product_id,
            category_id=product.category_id,
        )

    async def category(self, request: Request) -> Response:
        """Serve all of a category, the best rated first."""
        category = self._catalogue.categories.get(request.path_params["category_id"])
        if category is None:
            raise Refusal(404, "the shop has no such category")
        title = title_of(category.category_id)
        body = render(
            "listing", title=title, lead="The best rated first.", cards=_cards(category.products[:MOST_FOUND])
        )
        return self._page(f"{title} · Heliotrope Goods", body, view="category", category_id=category.category_id)

    async def search(self, request: Request) -> Response:
        """Serve the products that have all words of `q`."""
        query = request.query_params.get("q", "")[:256]
        found = self._catalogue.search(query, MOST_FOUND)
        lead = (
            f"{len(found) or 'No'} product{'' if len(found) == 1 else 's'} found." if query.strip() else "Type a word."
        )
        body = render("listing", title=f"Search: {query}", lead=lead, cards=_cards(found))
        return self._page("Search · Heliotrope Goods", body, view="search", query=query)

    async def products(self, request: Request) -> Response:
        """Serve title, price, category and rating of the products of `ids`; unknown ones are left out."""
        asked = request.query_params.getlist("id")
        if len(asked) > MOST_ASKED:
            raise Refusal(400, f"ask for at most {MOST_ASKED} products at once", field="id")
        found = [self._catalogue.products[key] for key in dict.fromkeys(asked) if key in self._catalogue.products]
        tree = [{**_facts(each, plain=True), "category_id": each.category_id} for each in found]
        return Response(msgspec.json.encode(tree), headers={"cache-control": "no-cache"}, media_type="application/json")

    async def picture(self, request: Request) -> Response:
        """Serve the picture of a product."""
        return Response(picture(self._found(request)), headers=KEPT, media_type="image/svg+xml")

    def _found(self, request: Request) -> Product:
        product = self._catalogue.products.get(request.path_params["product_id"])
        if product is None:
            raise Refusal(404, "the shop has no such product")
        return product

    def _page(self, title: str, body: Html, **data: str) -> Response:
        page = render(
            "layout",
            title=title,
            page=body,
            page_data=_attributes(data),
            query=data.get("query", ""),
            categories=self._nav,
            regions=joined([render("option", name=region) for region in REGIONS]),
            write_key=self._write_key,
            words=msgspec.json.encode({"sentences": SENTENCES, "nameless": NAMELESS}).decode(),
        )
        return HTMLResponse(page, headers=PAGE_HEADERS)


def title_of(category_id: str) -> str:
    """Return a category's id as a heading."""
    return category_id[:1].upper() + category_id[1:].replace("-", " ").replace("_", " ")


def _attributes(data: dict[str, str]) -> Html:
    return Html(" ".join(render("attribute", name=key.replace("_", "-"), value=value) for key, value in data.items()))


def _facts(product: Product, plain: bool = False) -> dict[str, object]:
    """What a card shows; `plain` gives numbers in place of HTML."""
    facts: dict[str, object] = {
        "product_id": product.product_id,
        "title": product.title or product.product_id,
        "url": _address("/p/", product.product_id),
        "picture": _address("/shop/picture/", product.product_id),
    }
    if plain:
        return facts | {"price": product.price, "rating": product.rating}
    facts["price"] = "" if product.price is None else f"€{product.price:,.2f}"
    facts["rating"] = "" if product.rating is None else render("rating", rating=f"{product.rating:.1f}")
    return facts


def _cards(products: Iterable[Product]) -> Html:
    return joined([render("card", **_facts(product)) for product in products])


def _row(category: Category) -> Html:
    url = _address("/c/", category.category_id)
    return render("row", title=title_of(category.category_id), url=url, cards=_cards(category.products[:ROW]))


def _category_link(category: Category) -> Html:
    name = category.category_id
    return render("category", category_id=name, url=_address("/c/", name), title=title_of(name))


def _address(prefix: str, identifier: str) -> str:
    return prefix + quote(identifier, safe="")


def _words(product: Product) -> str:
    """A sentence below the price."""
    if product.rating_count:
        return f"{product.rating_count:,} visitors rated it. In stock, sent tomorrow."
    return "Nobody has rated it yet: be the first. In stock, sent tomorrow."
