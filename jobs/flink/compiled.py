"""Java that Flink compiles where it runs, by the compiler that it has for SQL, so nothing has to be built or installed."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from pyflink.java_gateway import get_gateway


def class_of(name: str, helpers: Sequence[str], *given: Any) -> tuple[str, str, Any]:
    """Return the name of the class in the file of that name, its source together with the helpers', and what it is made of."""
    gateway = get_gateway()
    references = gateway.new_array(gateway.jvm.Object, len(given))
    for place, reference in enumerate(given):
        references[place] = reference
    return f"heliotrope.{name}", source_of(name, *helpers), references


def source_of(*names: str) -> str:
    """Return the source of several classes as one compilation unit."""
    lines = [line for name in names for line in _lines_of(name)]
    imports = sorted({line for line in lines if line.startswith("import ")})
    body = [line for line in lines if not line.startswith(("import ", "package "))]
    return "\n".join(("package heliotrope;", *imports, *body))


def operator_of(name: str, helpers: Sequence[str], *given: Any) -> Any:
    """Return a factory of the operator of that class."""
    flink = get_gateway().jvm.org.apache.flink
    code = flink.table.runtime.generated.GeneratedOperator(
        *class_of(name, helpers, *given), flink.configuration.Configuration()
    )
    return flink.table.runtime.operators.CodeGenOperatorFactory(code)


def _lines_of(name: str) -> list[str]:
    return files(__package__).joinpath(f"{name}.java").read_text(encoding="utf-8").splitlines()
