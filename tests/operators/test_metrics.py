"""The list of metrics: complete, without anything that is not there, and the page that is made of it."""

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from operators.metrics import BY_NAME, METRICS, Kind, table
from operators.redis.errors import RedisTrouble
from operators.session.operator import BY_VARIANT
from state.events.rejection import Reason

ROOT = Path(__file__).parents[2]
CALLS = {"add": Kind.COUNTER, "_count": Kind.COUNTER, "show": Kind.GAUGE, "note": Kind.GAUGE}


def used() -> Iterator[tuple[str, Kind]]:
    """Names of metrics in the code, each with the kind that it is used as."""
    for path in chain((ROOT / "operators").rglob("*.py"), (ROOT / "state").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for expression, kind in _names_in(node):
                for name in _texts(expression):
                    yield name, kind
                    if kind == Kind.BUCKETS:
                        yield f"{name}_sum", Kind.COUNTER
    yield from ((f"variant_{name}", Kind.COUNTER) for name in BY_VARIANT)


def _names_in(node: ast.AST) -> Iterator[tuple[ast.expr, Kind]]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        owner = ast.unparse(node.func.value)
        if node.func.attr in CALLS and (owner.endswith(("counters", "_counters")) or node.func.attr == "_count"):
            yield node.args[0], CALLS[node.func.attr]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._steps.add" and len(node.args) > 1:
        yield node.args[0], Kind.COUNTER
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._tried":
        yield node.args[1], Kind.COUNTER
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Histogram":
        yield node.args[1], Kind.BUCKETS
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("._finish"):
        for argument in node.args:
            if isinstance(argument, ast.Dict):
                yield from ((key, Kind.COUNTER) for key in argument.keys if key is not None)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Effect":
        for keyword in node.keywords:
            if keyword.arg == "counts" and isinstance(keyword.value, ast.Dict):
                yield from ((key, Kind.COUNTER) for key in keyword.value.keys if key is not None)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript | ast.Name):
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "effect.counts":
            yield target.slice, Kind.COUNTER
        if isinstance(node.value, ast.Dict) and isinstance(target, ast.Name) and target.id == "counts":
            yield from ((key, Kind.COUNTER) for key in node.value.keys if key is not None)


def _texts(expression: ast.expr) -> Iterator[str]:
    """The texts that an expression may be; one that is composed is of a reason or of a trouble with Redis."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        yield expression.value
    elif isinstance(expression, ast.IfExp):
        yield from _texts(expression.body)
        yield from _texts(expression.orelse)
    elif isinstance(expression, ast.JoinedStr) and ast.unparse(expression).endswith(("reason}'", "trouble}'")):
        assert isinstance(expression.values[0], ast.Constant)
        prefix = str(expression.values[0].value)
        yield from (f"{prefix}{kind}" for kind in (RedisTrouble if prefix == "redis_errors_" else Reason))


def test_every_metric_that_is_used_is_in_the_list_as_what_it_is() -> None:
    wrong = {name: kind for name, kind in used() if name not in BY_NAME or BY_NAME[name].kind != kind}
    assert wrong == {}, (
        "add these to METRICS in operators/metrics.py, then `python -m operators.metrics > docs/metrics.md`"
    )


def test_every_metric_of_the_list_is_used() -> None:
    assert {metric.name for metric in METRICS} - {name for name, _ in used()} == set()


def test_no_name_stands_twice() -> None:
    assert len(BY_NAME) == len(METRICS)


def test_the_page_of_metrics_is_current() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == table(), (
        "`python -m operators.metrics > docs/metrics.md`"
    )
