"""Two variants with statistics of their own, side by side on the real stack."""

import json

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.stack.flink_rest import FlinkRest
from operators.names import SESSION
from tests.integration.conftest import Stack
from tests.integration.shop import open_shop


def learned(stack: Stack, variant: str) -> float:
    """Exposures that a variant's model knows, 0 before there is one."""
    answer = CliRunner().invoke(app, ["model", "show", "--json", "--model", variant, "--workdir", str(stack.workdir)])
    return float(json.loads(answer.stdout)["exposures"]) if answer.exit_code == 0 else 0.0


def metric(stack: Stack, name: str) -> int:
    return FlinkRest(stack.flink).counter(stack.record().job.id, SESSION, name)


def test_two_variants_run_side_by_side_and_learn_from_each_other(stack: Stack) -> None:
    assert stack.settings.bandit.variants.keys() == {"weekly"}, "the variant of TEST_SETTINGS"
    with open_shop(stack) as shop:
        for number in range(4):
            shop.product(f"vase-{number}", category_id="vases")
        served: dict[str, list[str]] = {"default": [], "weekly": []}
        applied, by_python = metric(stack, "events_applied"), metric(stack, "inputs_by_python")
        before = {variant: learned(stack, variant) for variant in served}

        def both_are_served_and_learn() -> bool:
            session = shop.session()
            shop.send(session, product_id="vase-1", category_id="vases")
            profile = shop.profile_of_version(session, 1)
            served[profile["variant"]].append(profile["policy"])
            shown = [item["product_id"] for item in profile["score_data"]]
            if shown:
                shop.send(session, "impression", decision_id=profile["decision_id"], shown=shown)
                shop.send(session, "search", query="vase")
            return all(served.values()) and all(learned(stack, variant) > before[variant] for variant in served)

        stack.wait_until(both_are_served_and_learn)
        assert set(served["default"]) == {stack.settings.bandit.policy}
        assert set(served["weekly"]) == {"lin_ucb"}
        decisions = shop.records_when("decisions", lambda record: json.loads(record.value)["variant"] == "weekly")
        assert json.loads(decisions[0].value)["policy"] == "lin_ucb"

        def have_learned_the_same() -> bool:
            """Since the beginning: other tests put the default model back to what it was."""
            weekly, default = (learned(stack, variant) - before[variant] for variant in ("weekly", "default"))
            return weekly == pytest.approx(default, rel=0.01, abs=0.5)

        stack.wait_until(have_learned_the_same)
        sent = sum(map(len, served.values()))
        stack.wait_until(lambda: metric(stack, "events_applied") - applied >= sent)
        assert metric(stack, "inputs_by_python") - by_python <= sent / 10, (
            "the compiled core has applied both variants' events"
        )
