"""`heliotrope model` over a topic that is a list: which records make a model, and which key a command has."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from cli import model as module
from cli.errors import UserError
from cli.main import app
from jobs.settings import settings_from
from state.choosing.variants import models_of
from state.model.change import Change
from state.model.drift import DriftState
from state.model.merger import ModelConditions
from state.model.model_input import Command, read_model_input
from state.model.snapshot import Snapshot
from state.model.sums import Sums
from tests.state.model.test_learning import base_of, made_examples
from tests.state.shop import T0

SETTINGS = settings_from(
    {"bandit": {"policy": "lin_ucb", "variants": {"greedy": {"share": 0.2, "policy": "epsilon_greedy"},
                                                  "own": {"share": 0.2, "half_life": "7 d"}}}}
)  # fmt: skip


def snapshot(count: int, conditions: ModelConditions, version: int) -> Snapshot:
    made = base_of(made_examples(1, count), learned_from=conditions.learned_from)
    return msgspec.structs.replace(made, model_version=version, variant=conditions.variant)


MODELS = models_of(SETTINGS)
WHOLE = snapshot(20, MODELS["default"], T0)
CHANGED = msgspec.structs.replace(
    snapshot(30, MODELS["default"], T0 + 500), watched=[DriftState("greedy", 9, 0.5, 2, 1, T0)]
)
OWN = snapshot(10, MODELS["own"], T0 + 7)


class Topic:
    """Stands in for the reader and the producer of the model's topic."""

    sent: ClassVar[list[tuple[bytes, bytes]]] = []
    archived: ClassVar[bytes | None] = None

    def __init__(self, *_: Any) -> None:
        pass

    def to_end(self) -> Iterator[list[Any]]:
        records = {
            b"MODEL": WHOLE.encode(), b"MODEL+": Change(T0, CHANGED.encode()).encode(), b"MODEL@5": WHOLE.encode(),
            b"MODEL:own": OWN.encode(), b"MODEL:own@6": OWN.encode(), b"MODEL:own+": Change(1, OWN.encode()).encode(),
        }  # fmt: skip
        if Topic.archived is not None:
            records[b"MODEL@7"] = Topic.archived
        yield [SimpleNamespace(key=key, value=value) for key, value in records.items()]

    def send(self, topic: str, value: bytes, key: bytes) -> None:
        Topic.sent.append((key, value))

    def flush(self) -> None:
        pass

    def __enter__(self) -> "Topic":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        pass


@pytest.fixture(autouse=True)
def _topic(monkeypatch: pytest.MonkeyPatch) -> None:
    Topic.sent, Topic.archived = [], None
    monkeypatch.setattr(module, "TopicReader", Topic)
    monkeypatch.setattr(module, "Delivery", Topic)
    monkeypatch.setattr(module, "find_target", lambda *_: SimpleNamespace(settings=SETTINGS))


def heliotrope(*words: str) -> str:
    answer = CliRunner().invoke(app, ["model", *words])
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.stdout


def shown(*words: str) -> dict[str, Any]:
    return dict(json.loads(heliotrope("show", "--json", *words)))


def test_the_whole_and_what_changed_since_are_one_model() -> None:
    default = shown()
    assert (default["model_version"], default["exposures"], default["archived"]) == (T0 + 500, 30, [5])
    assert default["variants"] == {"default": "lin_ucb", "greedy": "epsilon_greedy"}
    [watched] = default["watched"]
    assert (watched["variant"], watched["drifts"], watched["falls"]) == ("greedy", 2, 1)


def test_a_variant_is_shown_by_the_model_that_it_chooses_by() -> None:
    own, greedy = shown("--model", "own"), shown("--model", "greedy")
    assert (own["model_version"], own["archived"], own["variants"]) == (T0 + 7, [6], {"own": "lin_ucb"})
    assert greedy == shown()
    with pytest.raises(UserError, match="there is no variant best: choose one of default, greedy, own"):
        heliotrope("show", "--model", "best")


def test_a_person_reads_of_drift() -> None:
    text = " ".join(heliotrope("show").split())
    assert "drift in greedy 2 found in 9 closed exposures, 1 of them falls" in text


@pytest.mark.parametrize("how", ["nan", "dimension", "counts"])
def test_an_unsound_model_is_refused_by_name_and_nothing_is_sent(tmp_path: Path, how: str) -> None:
    sums = Sums.decode(WHOLE.sums)
    sums.a[0, 0] = np.nan
    changes: dict[str, dict[str, Any]] = {
        "nan": {"sums": sums.encode()},
        "dimension": {"sums": Sums(3, None).encode(), "product_ids": [], "counts": b"", "residuals": b""},
        "counts": {"counts": b""},
    }
    bad = msgspec.structs.replace(WHOLE, **changes[how])
    file = tmp_path / "bad.model"
    file.write_bytes(bad.encode())
    with pytest.raises(UserError, match=r"bad\.model.*(finite|3 features|bytes of counts).*") as refused:
        heliotrope("import", str(file))
    assert "\n" not in str(refused.value)
    Topic.archived = bad.encode()
    with pytest.raises(UserError, match=r"archived model 7.*(finite|3 features|bytes of counts)"):
        heliotrope("rollback", "7")
    assert Topic.sent == []


def test_a_command_reaches_the_model_that_is_meant(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    heliotrope("export", str(file), "--model", "own")
    assert Snapshot.decode(file.read_bytes()) == OWN
    heliotrope("import", str(file), "--model", "own")
    heliotrope("rollback", "5")
    assert [key for key, _ in Topic.sent] == [b"COMMAND:own", b"COMMAND"]
    commands = [read_model_input(value) for _, value in Topic.sent]
    assert [command.action for command in commands if isinstance(command, Command)] == ["import", "rollback"]
    with pytest.raises(UserError, match="its variant is 'own'"):
        heliotrope("import", str(file))
