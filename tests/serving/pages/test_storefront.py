"""The storefront's pages as they leave the server, with products whose text is hostile."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import msgspec
import pytest
from starlette.testclient import TestClient

from jobs.errors import ConfigurationError
from serving.app import create_app
from serving.pages.catalogue import Catalogue, read_catalogue
from serving.pages.pictures import picture
from serving.pages.storefront import MOST_ASKED, MOST_FOUND
from state.catalogue.product import Product
from state.configuration import Settings

HOSTILE: list[dict[str, Any]] = [
    {"product_id": '"><script>alert(1)</script>', "category_id": "</ul><img src=x onerror=alert(1)>", "title": "a"},
    {
        "product_id": "p2",
        "category_id": "c",
        "title": "<svg onload=alert(1)> & ${title} $page \"'",
        "price": 1.5,
        "rating": 5,
    },
    {"product_id": "../../etc/passwd", "category_id": "c", "title": "javascript:alert(1)"},
]


class Markup(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def hostile(settings: Settings, tmp_path: Path) -> TestClient:
    """A storefront of hostile products."""
    path = tmp_path / "catalogue.jsonl"
    path.write_text("\n".join(map(json.dumps, HOSTILE)) + "\nno JSON\n")
    serving = msgspec.structs.replace(settings.serving, storefront_catalogue=str(path))
    return TestClient(create_app(msgspec.structs.replace(settings, serving=serving)))


@pytest.fixture
def client(settings: Settings) -> TestClient:
    """The application without its lifespan: these pages need neither Kafka nor Redis."""
    return TestClient(create_app(settings))


def pages_of(client: TestClient) -> dict[str, str]:
    addresses = ["/", "/c/c", "/search?q=" + quote("<script>alert(1)</script>\"'"), "/search?q=a"]
    addresses += ["/p/" + quote(str(each["product_id"]), safe="") for each in HOSTILE]
    found = {address: client.get(address) for address in addresses}
    assert {answer.status_code for answer in found.values()} == {200}
    return {address: answer.text for address, answer in found.items()}


def test_no_text_of_a_product_or_a_search_becomes_an_element(hostile: TestClient) -> None:
    for address, text in pages_of(hostile).items():
        for tag, attributes in Markup(text).elements:
            assert not [name for name in attributes if name.startswith("on")], (address, tag, attributes)
            assert tag != "script" or attributes == {"type": "module", "src": "/shop/shop.js"}, (address, attributes)
            assert not (attributes.get("href") or "").startswith("javascript"), (address, attributes)


def test_a_title_with_the_templates_own_marks_is_shown_as_it_is(hostile: TestClient) -> None:
    assert HOSTILE[1]["title"] in Markup(hostile.get("/p/p2").text).texts


def test_the_policy_permits_no_script_in_the_page(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_home_has_the_categories_by_rating(client: TestClient) -> None:
    home, catalogue = client.get("/").text, read_catalogue("")
    rated = [each.rating for each in catalogue.categories.values()]
    assert rated == sorted(rated, reverse=True)
    places = [home.index(f'data-category-id="{each}"') for each in catalogue.categories]
    assert places == sorted(places)


def test_a_product_has_its_page_and_its_picture(client: TestClient) -> None:
    page = client.get("/p/audio-01")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Studio Microphone" in page.text
    drawn = client.get("/shop/picture/audio-01")
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(drawn.text).tag == "{http://www.w3.org/2000/svg}svg"


def test_every_picture_of_the_demo_is_xml_and_its_own() -> None:
    drawn = [picture(product) for product in read_catalogue("").products.values()]
    assert all(ElementTree.fromstring(each) is not None for each in drawn)
    assert len(set(drawn)) > 0.95 * len(drawn)


@pytest.mark.parametrize(
    "address", ["/p/nothing", "/c/nothing", "/shop/picture/nothing", "/p/%00", "/p/..%2f..%2fetc%2fpasswd"]
)
def test_what_the_shop_has_not_is_a_problem(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_products_are_read_by_id_within_a_bound(client: TestClient) -> None:
    answer = client.get("/shop/products", params=[("id", "audio-01"), ("id", "nothing"), ("id", "audio-01")])
    assert [each["title"] for each in answer.json()] == ["Studio Microphone"]
    assert client.get("/shop/products", params=[("id", "x")] * (MOST_ASKED + 1)).status_code == 400


def test_a_search_finds_all_words_within_a_bound(client: TestClient) -> None:
    found = client.get("/search?q=LAMP%20brass").text
    assert found.count('class="card" data-product-id') == 2
    assert client.get("/search?q=e").text.count('class="card" data-product-id') == MOST_FOUND
    assert "No products found" in client.get("/search?q=" + "x" * 5_000).text


def test_few_ratings_do_not_make_the_best(tmp_path: Path) -> None:
    once = Product("once", "c", rating=5, rating_count=1)
    often = Product("often", "c", rating=4.6, rating_count=500)
    assert list(Catalogue([once, often]).products) == ["often", "once"]


def test_a_catalogue_that_cannot_be_read_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"serving\.storefront_catalogue: cannot read"):
        read_catalogue(str(tmp_path / "nothing"))


def test_without_a_storefront_there_is_no_shop(settings: Settings) -> None:
    serving = msgspec.structs.replace(settings.serving, storefront=False)
    without = TestClient(create_app(msgspec.structs.replace(settings, serving=serving)))
    assert without.get("/").status_code == 404
    assert without.get("/heliotrope.js").status_code == 200
