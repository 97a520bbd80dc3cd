"""Write keys: where they stand in a request and in their file, and what is refused."""

import base64
from pathlib import Path

import pytest
import structlog
from starlette.requests import Request

from jobs.errors import SecretError
from serving.collection.keys import OPEN, WriteKeys, key_in
from serving.problems import Refusal

KEY, OTHER = "key-of-shop-one-0001", "key-of-shop-two-0002"
LOG = structlog.get_logger()


def request(authorization: str = "", query: str = "") -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request({"type": "http", "headers": headers, "query_string": query.encode()})


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# of the shops\nshop-one {KEY}\n\n{OTHER}\n")
    return path


@pytest.mark.parametrize(
    "shown",
    [
        request(f"Bearer {KEY}"),
        request(f"bearer  {KEY} "),
        request(basic(f"{KEY}:")),
        request(basic(KEY)),
        request("", f"write_key={KEY}"),
    ],
)
def test_a_key_is_found_wherever_it_may_stand(file: Path, shown: Request) -> None:
    assert WriteKeys(str(file), LOG).name_of(shown) == "shop-one"


@pytest.mark.parametrize(
    "shown",
    [
        request(),
        request("Bearer"),
        request(f"Bearer {KEY[:-1]}"),
        request("Bearer shop-one"),
        request("Basic ???"),
        request(basic(f"other:{KEY}")),
        request("Basic " + base64.b64encode(b"\xff\xfe").decode()),
        request("", "write_key="),
        request(f"Digest {KEY}"),
    ],
)
def test_no_key_and_a_wrong_one_are_refused(file: Path, shown: Request) -> None:
    with pytest.raises(Refusal) as refused:
        WriteKeys(str(file), LOG).name_of(shown)
    assert refused.value.status_code == 401
    assert refused.value.headers is not None
    assert refused.value.headers["www-authenticate"].startswith("Bearer")


def test_without_a_file_everybody_may() -> None:
    keys = WriteKeys("", LOG)
    assert (keys.are_needed, keys.name_of(request())) == (False, OPEN)


@pytest.mark.parametrize("content", ["", "# nothing\n", "short\n", f"a b {KEY}\n", b"\xff"])
def test_a_file_that_is_none_of_keys_stops_the_start(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SecretError, match=r"serving\.write_keys_file") as refused:
        WriteKeys(str(path), LOG)
    assert KEY not in str(refused.value)


def test_a_changed_file_counts_and_a_broken_one_does_not(file: Path) -> None:
    keys = WriteKeys(str(file), LOG)
    file.write_text("shop-three key-of-shop-three-3\n")
    keys.look()
    assert keys.name_of(request("Bearer key-of-shop-three-3")) == "shop-three"
    with pytest.raises(Refusal):
        keys.name_of(request(f"Bearer {KEY}"))
    file.write_text("short\n")
    keys.look()
    assert keys.name_of(request("Bearer key-of-shop-three-3")) == "shop-three"
    file.unlink()
    keys.look()
    assert keys.name_of(request("Bearer key-of-shop-three-3")) == "shop-three"


def test_the_query_is_no_second_chance_for_a_wrong_header() -> None:
    assert key_in(request("Bearer wrong", f"write_key={KEY}")) == "wrong"
