"""River objects as bytes that are not pickle: reading them runs no code but the constructors of a closed set of classes.

The tree follows Python's reduce protocol (PEP 307), so that whatever river can pickle can be kept, compiled classes included.
A node is a plain value or a list that begins with a tag; an object that occurs twice is written once and then referred to.
"""

from typing import Any

import msgspec
import numpy as np

from state.codec import READ_FAILURES, UnreadableError, unpack
from state.model.river.names import is_class, name_of, resolve

_VERSION = b"\x01"
_NEW = "copyreg:__newobj__"
_SMALL = 1 << 63
_PLAIN = ("builtins", "numpy")
"""What has a tag of its own: made by name, a text could be made of what refers to itself, or an array of any size."""
_PANIC = "PanicException"
"""Raised by river's parts in Rust. It is no Exception, and cannot be imported."""
WHAT = "a river object"
_CONTAINERS: dict[type, str] = {list: "list", set: "set", dict: "dict"}


class UnsupportedError(TypeError):
    """A river object holds something that cannot be kept in state. Choose another model."""


def encode(obj: object) -> bytes:
    """Return versioned bytes.

    Raises:
        UnsupportedError: the object refers to what is neither river's nor a plain value, or nests too deep.
    """
    try:
        writer = _Writer()
        tree = writer.node(obj)
        return _VERSION + msgspec.msgpack.encode([list(writer.names), tree])
    except RecursionError:
        raise UnsupportedError(f"{type(obj).__name__} nests too deep to be kept in state") from None


def decode(data: bytes) -> Any:
    """Invert `encode`.

    Raises:
        UnreadableError: the version is unknown, the bytes are damaged, or they name what is not allowed.
    """
    names, tree = unpack(data, (_VERSION,), _decoder, WHAT)
    try:
        return _Reader(names).value(tree)
    except (*READ_FAILURES, ImportError) as error:
        raise UnreadableError(f"{WHAT} cannot be read: {error}") from None
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise UnreadableError(f"{WHAT} cannot be read: {error}") from None


def first_of(data: bytes) -> Any:
    """Return the first item of a tuple that was encoded, if it is a plain value: nothing is constructed for it.

    Raises:
        UnreadableError: the version is unknown, or the bytes are damaged.
    """
    _, tree = unpack(data, (_VERSION,), _decoder, WHAT)
    is_tuple = isinstance(tree, list) and len(tree) > 1 and tree[0] == "tuple"
    return tree[1] if is_tuple and not isinstance(tree[1], list) else None


_decoder: msgspec.msgpack.Decoder[tuple[list[str], Any]] = msgspec.msgpack.Decoder(tuple[list[str], Any])


class _Writer:
    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self._number: dict[int, int] = {}
        self._alive: list[object] = []  # so that no id is used twice

    def node(self, obj: Any) -> Any:
        if obj is None or type(obj) in (bool, float, str, bytes):
            return obj
        if type(obj) is int:
            return obj if -_SMALL <= obj < _SMALL else ["int", str(obj)]
        if id(obj) in self._number:
            return ["ref", self._number[id(obj)]]
        if type(obj) in (tuple, frozenset):
            return [type(obj).__name__, *map(self.node, obj)]
        if isinstance(obj, np.ndarray) and not obj.dtype.hasobject:
            self._remember(obj)
            return ["array", obj.dtype.str, list(obj.shape), obj.tobytes()]
        if isinstance(obj, np.generic):
            return ["scalar", obj.dtype.str, obj.tobytes()]
        if type(obj) in _CONTAINERS:
            self._remember(obj)
            items = [part for pair in obj.items() for part in pair] if type(obj) is dict else obj
            return [_CONTAINERS[type(obj)], *map(self.node, items)]
        owner = getattr(obj, "__self__", None)
        if owner is not None and hasattr(obj, "__func__"):
            return ["method", self.node(owner), obj.__name__]
        if isinstance(obj, type) or hasattr(obj, "__qualname__"):
            return ["name", self._name(obj)]
        return self._object(obj)

    def _object(self, obj: Any) -> Any:
        reduced = obj.__reduce_ex__(2)
        if not isinstance(reduced, tuple):
            raise UnsupportedError(f"{type(obj).__name__} cannot be kept in state")
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        self._name(type(obj))
        head = [self._name(make), [self.node(argument) for argument in arguments]]
        self._remember(obj)
        listed = [self.node(item) for item in items or ()]
        mapped = [self.node(part) for pair in pairs or () for part in pair]
        return ["object", *head, self.node(state), listed, mapped]

    def _remember(self, obj: object) -> None:
        self._number[id(obj)] = len(self._number)
        self._alive.append(obj)

    def _name(self, obj: Any) -> int:
        try:
            return self.names.setdefault(name_of(obj), len(self.names))
        except ValueError as error:
            raise UnsupportedError(str(error)) from None


class _Reader:
    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._known: list[Any] = []

    def value(self, node: Any) -> Any:
        if not isinstance(node, list):
            return node
        tag, *parts = node
        match tag:
            case "ref":
                return self._known[parts[0]]
            case "int":
                return int(parts[0])
            case "tuple":
                return tuple(map(self.value, parts))
            case "frozenset":
                return frozenset(map(self.value, parts))
            case "scalar":
                return np.frombuffer(parts[1], dtype=np.dtype(parts[0]))[0]
            case "name":
                return resolve(self._names[parts[0]])
            case "method":
                return self._method(*parts)
        return self._remembered(tag, parts)

    def _remembered(self, tag: str, parts: list[Any]) -> Any:
        if tag == "array":
            array = np.frombuffer(parts[2], dtype=np.dtype(parts[0])).reshape(parts[1]).copy()
            self._known.append(array)
            return array
        if tag == "object":
            return self._object(*parts)
        container: Any = {"list": list, "set": set, "dict": dict}[tag]()
        self._known.append(container)
        values = map(self.value, parts)
        if tag == "dict":
            container.update(zip(values, values, strict=True))
        else:
            (container.extend if tag == "list" else container.update)(values)
        return container

    def _method(self, owner: Any, name: str) -> Any:
        obj = self.value(owner)
        if name.startswith("__"):
            raise ValueError(f"the method {name} is not allowed in a river object")
        name_of(type(obj))
        return getattr(obj, name)

    def _object(self, make: int, arguments: list[Any], state: Any, items: list[Any], pairs: list[Any]) -> Any:
        values = [self.value(argument) for argument in arguments]
        if self._names[make] == _NEW:
            if not values or not is_class(values[0]) or values[0].__module__ in _PLAIN:
                raise ValueError("a river object of no class")
            obj = values[0].__new__(*values)
        else:
            obj = resolve(self._names[make], to_call=True)(*values)
        self._known.append(obj)
        self._restore(obj, self.value(state))
        for item in items:
            obj.append(self.value(item))
        parts = map(self.value, pairs)
        for key, value in zip(parts, parts, strict=True):
            obj[key] = value
        return obj

    def _restore(self, obj: Any, state: Any) -> None:
        if state is None:
            return
        if hasattr(obj, "__setstate__"):
            obj.__setstate__(state)
            return
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        obj.__dict__.update(attributes or {})
        for name, value in (slots or {}).items():
            setattr(obj, name, value)
