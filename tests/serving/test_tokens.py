import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.tokens import SecretsError, SessionTokens, TokenError, read_secrets

OLD, NEW = b"o" * 32, b"n" * 32
NOW_MS = 1_763_770_000_000
LATER_MS = NOW_MS + 60_000


def test_a_token_opens_its_session_until_it_expires() -> None:
    tokens = SessionTokens([NEW])
    token = tokens.mint("mine", LATER_MS)
    assert tokens.verify(token, "mine", NOW_MS) == LATER_MS
    assert tokens.verify(token, "mine", LATER_MS - 1) == LATER_MS
    with pytest.raises(TokenError, match="expired"):
        tokens.verify(token, "mine", LATER_MS)


def test_it_opens_no_other_session() -> None:
    tokens = SessionTokens([NEW])
    with pytest.raises(TokenError, match="does not open"):
        tokens.verify(tokens.mint("mine", LATER_MS), "other", NOW_MS)


def test_its_life_cannot_be_lengthened() -> None:
    tokens = SessionTokens([NEW])
    _, _, signature = tokens.mint("mine", NOW_MS - 1).split(".")
    with pytest.raises(TokenError, match="does not open"):
        tokens.verify(f"v1.{LATER_MS}.{signature}", "mine", NOW_MS)


def test_digits_cannot_move_between_session_and_expiry() -> None:
    tokens = SessionTokens([NEW])
    _, _, signature = tokens.mint("1mine", 99).split(".")
    with pytest.raises(TokenError, match="does not open"):
        tokens.verify(f"v1.991.{signature}", "mine", 0)


def test_secrets_are_rotated_without_a_gap() -> None:
    before, between, after = SessionTokens([OLD]), SessionTokens([NEW, OLD]), SessionTokens([NEW])
    old, new = before.mint("mine", LATER_MS), between.mint("mine", LATER_MS)
    assert between.verify(old, "mine", NOW_MS) == between.verify(new, "mine", NOW_MS)
    assert after.verify(new, "mine", NOW_MS)
    with pytest.raises(TokenError):
        after.verify(old, "mine", NOW_MS)


def test_the_form_is_what_the_documents_say() -> None:
    signed = b"heliotrope session v1\x001763770060000\x00s\xc3\xa9ance"
    signature = base64.urlsafe_b64encode(hmac.new(NEW, signed, hashlib.sha256).digest()).rstrip(b"=").decode()
    assert SessionTokens([NEW]).mint("séance", LATER_MS) == f"v1.{LATER_MS}.{signature}"


@pytest.mark.parametrize(
    "token", ["", "v1", "v1..", "v2.1.x", "v1.1.", "v1.-1." + "A" * 43, "v1.１." + "A" * 43, "\0", "v1.1." + "A" * 44]
)
def test_another_form_is_refused(token: str) -> None:
    with pytest.raises(TokenError, match="not of the form"):
        SessionTokens([NEW]).verify(token, "mine", NOW_MS)


@given(st.text(max_size=200), st.text(max_size=128))
def test_no_text_is_a_token_by_chance(token: str, session_id: str) -> None:
    try:
        session_id.encode()
    except UnicodeEncodeError:
        return
    with pytest.raises(TokenError):
        SessionTokens([NEW, OLD]).verify(token, session_id, 0)


@pytest.mark.parametrize("secrets", [[], [b"short"], [NEW, b"short"], [NEW] * 17])
def test_weak_secrets_are_refused(secrets: list[bytes]) -> None:
    with pytest.raises(SecretsError):
        SessionTokens(secrets)


def test_secrets_are_read_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(NEW + b"\r\n\n  " + OLD + b"\n")
    assert read_secrets(path) == [NEW, OLD]
