"""Variants: policies side by side on the same log, each with its share of the sessions."""

import hashlib
from itertools import accumulate

import msgspec

from state.configuration import Bandit, Settings, Variant
from state.model.merger import ModelConditions, conditions_of

_POINTS = 1 << 64


def variant_of(bandit: Bandit, name: str) -> Variant:
    """Return a variant's own settings: those of `bandit` except what it says itself.

    Raises:
        msgspec.ValidationError: a value is out of range; the message's path begins at the variant.
    """
    common = {key: value for key, value in msgspec.to_builtins(bandit).items() if key not in ("variant", "variants")}
    return msgspec.convert(common | bandit.variants[name] | {"variant": name}, Variant, strict=False)


def settings_by_variant(settings: Settings) -> dict[str, Settings]:
    """Return the settings that each variant chooses and learn with, by name; `bandit.variant`, which takes the rest, is first."""
    bandit = settings.bandit
    found = {bandit.variant: msgspec.structs.replace(settings, bandit=msgspec.structs.replace(bandit, variants={}))}
    for name in bandit.variants:
        found[name] = msgspec.structs.replace(settings, bandit=variant_of(bandit, name))
    return found


def models_of(settings: Settings) -> dict[str, ModelConditions]:
    """Return the statistics of each variant. Those of the same conditions share the statistics of the first, and its name."""
    first: dict[ModelConditions, ModelConditions] = {}
    found: dict[str, ModelConditions] = {}
    for name, own in settings_by_variant(settings).items():
        conditions = conditions_of(own)
        found[name] = first.setdefault(msgspec.structs.replace(conditions, variant=""), conditions)
    return found


class Assignment:
    """Assignment of sessions to variants: a function of its id and the salt alone, on every machine and after every start.

    A point in [0, 1) from the hash of both falls into the variants' shares, laid end to end in the order of the configuration.
    """

    def __init__(self, bandit: Bandit) -> None:
        self._salt = f"variants {bandit.variants_salt}\0".encode()
        self._default = bandit.variant
        shares = [float(variant["share"]) for variant in bandit.variants.values()]
        self._ends = list(zip((round(end * _POINTS) for end in accumulate(shares)), bandit.variants, strict=True))

    def variant(self, session_id: str) -> str:
        """Return the name of the session's variant."""
        digest = hashlib.blake2b(self._salt + session_id.encode(), digest_size=8).digest()
        point = int.from_bytes(digest, "big")
        for end, name in self._ends:
            if point < end:
                return name
        return self._default


def learners_of(settings: Settings) -> dict[str, Bandit]:
    """Return the settings that each set of statistics is learned with, by its key."""
    own = settings_by_variant(settings)
    return {conditions.key: own[conditions.variant].bandit for conditions in models_of(settings).values()}


def conditions_by_key(settings: Settings) -> dict[str, ModelConditions]:
    """Return the conditions of each set of statistics, by its key."""
    return {conditions.key: conditions for conditions in models_of(settings).values()}
