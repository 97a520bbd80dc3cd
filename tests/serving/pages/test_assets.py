"""The files of pages as they are sent."""

import gzip

from starlette.testclient import TestClient

from serving.pages.assets import Asset

MOST_MODULE_BYTES = 3_000


def test_the_module_is_under_3_kb_compressed() -> None:
    assert len(gzip.compress(Asset("heliotrope.js").plain, 9)) <= MOST_MODULE_BYTES


def test_the_module_is_sent_as_one_to_every_site(client: TestClient) -> None:
    answer = client.get("/heliotrope.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.content == Asset("heliotrope.js").plain


def test_who_takes_no_gzip_gets_none(client: TestClient) -> None:
    plain = client.get("/heliotrope.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == Asset("heliotrope.js").plain


def test_a_browser_that_has_the_file_gets_304(client: TestClient) -> None:
    first = client.get("/heliotrope.js")
    again = client.get("/heliotrope.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/heliotrope.js", headers={"if-none-match": '"another"'})
    assert other.status_code == 200
