"""Reads the configuration: defaults, then the YAML file, then `HELIOTROPE_A__B=c`, then `--set a.b=c`; the later is the stronger.

Every error names the key and what it accepts. Rules over several keys are in `settings_rules.py`.
"""

import difflib
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import yaml

from jobs.errors import ConfigurationError
from jobs.secrets import SECRET_VARIABLES
from jobs.settings_rules import check_together, explain
from state.configuration import NOT_FOR_VARIANTS, Section, Settings, Variant, key_of

ENVIRONMENT_PREFIX = "HELIOTROPE_"
UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)\s*$")


def load_settings(
    path: Path | None = None, sets: Iterable[str] = (), environ: Mapping[str, str] | None = None
) -> Settings:
    """Read settings from the shipped or the given file, the environment and `KEY=VALUE` overrides.

    Raises:
        ConfigurationError: on an unreadable file, an unknown key, or a value out of range.
    """
    tree = _read_file(path) if path is not None else {}
    for name, text in sorted((os.environ if environ is None else environ).items()):
        if name.startswith(ENVIRONMENT_PREFIX) and "__" in name and name not in SECRET_VARIABLES:
            key = name[len(ENVIRONMENT_PREFIX) :].lower().replace("__", ".")
            _put(tree, key, text, source=f"environment variable {name}")
    for assignment in sets:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {assignment}: write it as KEY=VALUE, for example --set bandit.epsilon=0.1")
        _put(tree, key.strip(), text, source=f"--set {assignment}")
    return settings_from(tree)


def settings_from(tree: dict[str, Any]) -> Settings:
    """Validate a tree of plain values. Raises ConfigurationError as `load_settings` does."""
    normal = _normalise(tree, Settings, "")
    try:
        settings = msgspec.convert(normal, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(explain(error)) from None
    check_together(settings)
    return settings


def to_tree(settings: Settings) -> dict[str, Any]:
    """Give the settings as plain values under their configuration keys, times in milliseconds."""
    return typing.cast(dict[str, Any], msgspec.to_builtins(settings))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigurationError(f"{path} must hold sections such as `kafka:`, not a {type(tree).__name__}")
    return tree


def _put(tree: dict[str, Any], key: str, text: str, source: str) -> None:
    *path, last = key.split(".")
    node = tree
    for part in path:
        child = node.setdefault(part, {})
        if child is None:
            child = node[part] = {}
        if not isinstance(child, dict):
            raise ConfigurationError(f"{source}: {part} is a value, not a section")
        node = child
    try:
        node[last] = yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        node[last] = text


def _normalise(value: Any, kind: Any, path: str) -> Any:
    """Turns durations into milliseconds and refuses unknown keys with the nearest known one."""
    if path == "bandit.variants" and isinstance(value, dict):
        return {str(name): _normalise_variant(child, f"{path}.{name}") for name, child in value.items()}
    if not (isinstance(kind, type) and issubclass(kind, Section)):
        return value
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path or 'the configuration'} must be a section with keys, not {value!r}")
    hints = typing.get_type_hints(kind, include_extras=False)
    attributes = {key_of(name): name for name in hints if name in kind.__struct_fields__}
    normal: dict[str, Any] = {}
    for key, child in value.items():
        where = f"{path}.{key}" if path else str(key)
        if key not in attributes:
            close = difflib.get_close_matches(str(key), attributes, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ConfigurationError(f"unknown key {where}: {hint}accepted here: {', '.join(sorted(attributes))}")
        name = attributes[key]
        if child is None and not _accepts_none(hints[name]):
            continue
        if name.endswith("_ms") and isinstance(child, str):
            child = _milliseconds(child, where)
        elif hints[name] is str and isinstance(child, int | date):
            child = str(child)  # YAML reads 1763769990001 and 2026-11-27T00:00:00Z as more than text
        normal[str(key)] = _normalise(child, hints[name], where)
    return normal


def _normalise_variant(value: Any, path: str) -> Any:
    """What a variant says of itself, under the keys of `bandit` that it may change."""
    normal = _normalise(value, Variant, path)
    for name in sorted(set(normal) & set(map(key_of, NOT_FOR_VARIANTS))):
        raise ConfigurationError(f"{path}.{name}: is the same for all variants: set bandit.{name}")
    if "share" not in normal:
        raise ConfigurationError(f"{path}.share: must say the variant's share of the sessions, 0..1")
    return normal


def _accepts_none(kind: Any) -> bool:
    return typing.get_origin(kind) in (types.UnionType, typing.Union) and types.NoneType in typing.get_args(kind)


def _milliseconds(text: str, where: str) -> int:
    if text.strip().isdigit():
        return int(text)
    match = DURATION.match(text)
    if match is None:
        raise ConfigurationError(
            f"{where}: {text!r} is not a duration; use a number with ms, s, min, h or d, for example 30 min"
        )
    return round(float(match[1]) * UNITS_MS[match[2]])
