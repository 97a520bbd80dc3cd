"""What may stand in a river object by name: river's own classes and functions, and a few of the standard library."""

from importlib import import_module
from typing import Any

ALLOWED = frozenset(
    [
        f"builtins:{name}"
        for name in ("bool", "dict", "float", "frozenset", "int", "list", "object", "set", "str", "tuple")
    ]
    + [f"collections:{name}" for name in ("Counter", "OrderedDict", "defaultdict", "deque")]
    + ["copyreg:__newobj__", "functools:partial", "random:Random", "statistics:NormalDist", "numpy:ndarray"]
)
CALLED = frozenset(name for name in ALLOWED if name.partition(":")[0] in ("collections", "functools", "random"))
"""What reading may call with arguments from the bytes; of river only what its compiled classes are restored with."""
CLOSED = ("river.api", "river.checks", "river.datasets", "river.stream", "river.test")
"""Parts of river that read files or the network, or run tests."""


def name_of(obj: Any) -> str:
    """Return `module:qualified.name` of a class or function that may be kept.

    Raises:
        ValueError: it may not.
    """
    name = f"{obj.__module__}:{obj.__qualname__}"
    if resolve(name) is not obj:
        raise ValueError(f"{name} is not what its name says")
    return name


def resolve(name: str, *, to_call: bool = False) -> Any:
    """Return what a name stands for; with `to_call` only what reading may call.

    Raises:
        ValueError: the name is not allowed, or stands for something that was defined elsewhere.
    """
    module, _, path = name.partition(":")
    allowed = name in CALLED if to_call else name in ALLOWED
    restores = path.startswith("__pyx_unpickle_")
    private = any(part.startswith("__") for part in path.split("."))
    if not allowed and not (_is_rivers(module) and (restores if to_call else restores or not private)):
        raise ValueError(f"{name} is not allowed in a river object")
    obj: Any = import_module(module)
    for part in path.split("."):
        obj = getattr(obj, part)
    if not allowed and not _is_rivers(str(getattr(obj, "__module__", ""))):
        raise ValueError(f"{name} is not river's own")
    return obj


def is_class(obj: Any) -> bool:
    """Return whether it is a class that may be kept."""
    return isinstance(obj, type) and bool(name_of(obj))


def _is_rivers(module: str) -> bool:
    inside = module == "river" or module.startswith("river.")
    return inside and not any(module == closed or module.startswith(f"{closed}.") for closed in CLOSED)
