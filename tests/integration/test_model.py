"""The model on the real stack: shown, exported, put back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from cli.errors import UserError
from cli.main import app
from cli.stack.flink_rest import FlinkRest
from operators.names import MODEL
from state.model.change import Change
from state.model.learner import ShardUpdate
from state.model.model_input import Command, encode_update
from state.model.snapshot import Snapshot
from state.model.sums import Sums
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, now_ms, open_shop


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


def test_malformed_records_of_the_models_topic_stop_nothing_and_are_counted(shop: Shop, stack: Stack) -> None:
    """Each brought the job down, or could have: sums of 80 bytes, of other dimensions, not finite; an update from outside."""
    topic, known = stack.settings.kafka.topics.bandit_model, now_ms()
    rest, job = FlinkRest(stack.flink), stack.record().job.id
    failures, refused = rest.failures(job), rest.counter(job, MODEL, "models_unreadable")
    snapshot = newest(shop, topic)
    sums = Sums.decode(snapshot.sums)
    sums.b[0] = float("nan")
    cases = [
        snapshot_with(snapshot, sums=b"\x02" + b"x" * 79),
        snapshot_with(snapshot, sums=sums.encode()),
        snapshot_with(snapshot, sums=Sums(3, None).encode(), product_ids=[], counts=b"", residuals=b""),
        snapshot_with(snapshot, counts=b"\x00" * 8),
        snapshot_with(snapshot, product_ids=["", *snapshot.product_ids[1:]]),
    ]
    update = encode_update(ShardUpdate("default/0", b"\x02" + b"x" * 79, {}))
    records = [(b"MODEL", update), (b"COMMAND", update), (b"MODEL", b"\x02" + b"\x91" * 79), (b"NO-MODEL", b"\x00")]
    for case in cases:
        records += [(b"MODEL", case.encode()), (b"MODEL+", Change(snapshot.model_version, case.encode()).encode())]
        records.append((b"COMMAND", Command("import", known, case.encode()).encode()))
    before = exposures(stack)
    places = shop.places(topic, records)
    letters = shop.records_when("dead_letters", lambda record: place_of(record) in set(places), len(places) - 1)
    assert {json.loads(letter.value)["reason"] for letter in letters} == {"invalid_value"}
    assert place_of_each(letters) >= set(places) - {
        places[1]
    }  # an update under a command's key is the model operator's to count
    stack.wait_until(lambda: rest.counter(job, MODEL, "models_unreadable") >= refused + 2 * len(cases) + 3)
    teach(shop, at_least=before + 5)
    assert rest.failures(job) == failures
    assert stack.is_running()


def newest(shop: Shop, topic: str) -> Snapshot:
    """The newest whole snapshot of the topic."""
    return Snapshot.decode(shop.records_when(topic, lambda record: record.key == b"MODEL")[-1].value)


def snapshot_with(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """Another, of an earlier job."""
    return msgspec.structs.replace(
        snapshot, lineage="another", model_version=snapshot.model_version - 86_400_000, **changes
    )


def place_of(letter: Any) -> tuple[int, int] | None:
    """Which record of the models' topic a dead letter is about."""
    content = json.loads(letter.value)
    return (content["partition"], content["offset"]) if content["topic"] == "bandit_model" else None


def place_of_each(letters: list[Any]) -> set[tuple[int, int] | None]:
    """Likewise, of several."""
    return set(map(place_of, letters))
