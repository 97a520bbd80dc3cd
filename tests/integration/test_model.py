"""The model on the real stack: shown, exported, put back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.errors import UserError
from cli.main import app
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, open_shop


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as opened:
        for number in range(4):
            opened.product(f"lamp-{number}", category_id="lamps")
        yield opened


def heliotrope(stack: Stack, *words: str) -> str:
    answer = CliRunner().invoke(app, [*words, "--workdir", str(stack.workdir)])
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def exposures(stack: Stack) -> float:
    return float(json.loads(heliotrope(stack, "model", "show", "--json"))["exposures"])


def teach(shop: Shop, at_least: float) -> None:
    """Sessions that see what they are shown, until the model has so many exposures."""

    def learned() -> bool:
        session = shop.session()
        shop.send(session, product_id="lamp-1", category_id="lamps")
        profile = shop.profile_of_version(session, 1)
        shown = [item["product_id"] for item in profile["score_data"]]
        if shown:
            shop.send(session, "impression", decision_id=profile["decision_id"], shown=shown)
            shop.send(session, "search", query="lamp")
        try:
            return exposures(shop.stack) >= at_least
        except UserError:
            return False

    shop.stack.wait_until(learned)


def test_a_model_can_be_shown_kept_and_put_back(shop: Shop, stack: Stack, tmp_path: Path) -> None:
    teach(shop, at_least=1)
    file = tmp_path / "model.bin"
    heliotrope(stack, "model", "export", str(file))
    assert "what the features are worth" in heliotrope(stack, "model", "show")
    kept = exposures(stack)
    teach(shop, at_least=kept + 30)
    heliotrope(stack, "model", "import", str(file))
    stack.wait_until(lambda: exposures(stack) < kept + 30)
    [version] = json.loads(heliotrope(stack, "model", "show", "--json"))["archived"]
    heliotrope(stack, "model", "rollback", str(version))


def test_what_is_no_model_is_refused(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"\x63nothing")
    with pytest.raises(UserError, match="is no model"):
        heliotrope(stack, "model", "import", str(file))
    with pytest.raises(UserError, match="not in the archive"):
        heliotrope(stack, "model", "rollback", "17")
