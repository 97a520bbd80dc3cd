"""The shop's own rules from the configuration: what is pinned, buried, blocked, or shown in one category only, as they hold in one
choice."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.candidates.candidates import Candidates
from state.catalogue.catalogue import Catalogue
from state.configuration import Bury, BusinessRules
from state.policy.rules import NO_RULES, Mask, Rules

Values = NDArray[np.float64]


class ShopRules(Rules):
    """Business rules over the n candidates of one choice.

    `blocked` (n,) may never be shown; None for none. Scores are lowered by `share` (n,) of their size and by `offset` (n,) ≤ 0;
    None where nothing is buried. `pins` are candidates by position, none of them blocked; each stands at its place and no other.
    """

    def __init__(
        self,
        n: int,
        blocked: Mask | None,
        share: Values | None,
        offset: Values | None,
        pins: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self._n = n
        self.pins = pins
        self.fixed = not self.pins
        self._blocked = blocked
        self._share = share
        self._offset = offset

    def allowed(self, n: int, prefix: Sequence[int]) -> Mask | None:
        """Return all that is neither blocked nor has its place elsewhere."""
        if self._blocked is None and not self.pins:
            return None
        mask = np.ones(n, dtype=np.bool_) if self._blocked is None else ~self._blocked
        mask[list(self.pins.values())] = False
        return mask

    def around(self) -> Rules:
        """Return the rules as if what has a place were blocked."""
        return ShopRules(self._n, ~self.eligible(self._n, ()), self._share, self._offset)

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """Lower what is buried; a score below zero falls as well."""
        if self._share is None or self._offset is None:
            return scores
        share, offset = self._share.astype(scores.dtype), self._offset.astype(scores.dtype)
        lowered: NDArray[Any] = scores - share * np.abs(scores) + offset
        return lowered

    def pinned(self, prefix: Sequence[int]) -> int | None:
        """Return the pin of the place below `prefix`."""
        pin = self.pins.get(len(prefix))
        return None if pin in prefix else pin


class Merchandise:
    """The configured rules, ready to be laid over the candidates of each choice; `is_idle` where there are none."""

    def __init__(self, rules: BusinessRules, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._pins = sorted(rules.pin, key=lambda pin: pin.position)
        self._blocked = frozenset(rules.block.products)
        self._blocked_categories = list(rules.block.categories)
        self._only: dict[str, set[str]] = {}
        for only in rules.only:
            self._only.setdefault(only.product, set()).add(only.category)
        self._buried = {bury.product: bury for bury in rules.bury if bury.product}
        self._buried_categories = {bury.category: bury for bury in rules.bury if bury.category}
        self.is_idle = rules == BusinessRules()

    def wanted(self, last_category: str) -> list[str]:
        """Return products that must be among the candidates: those pinned where the newest event is of that category."""
        return [pin.product for pin in self._pins if pin.category in ("", last_category)]

    def blocks(self, product_id: str) -> bool:
        """Return whether a product is never shown, by itself or with its category."""
        if self.is_idle:
            return False
        return product_id in self._blocked or self._catalogue.category_of(product_id) in self._blocked_categories

    def rules(self, candidates: Candidates, last_category: str) -> Rules:
        """Return the rules over these candidates."""
        if self.is_idle:
            return NO_RULES
        blocked = self._mask_of_blocked(candidates, last_category)
        pins = self._pins_among(candidates.product_ids, blocked, last_category) if self._pins else {}
        return ShopRules(len(candidates.product_ids), blocked, *self._burden(candidates), pins)

    def _mask_of_blocked(self, candidates: Candidates, last_category: str) -> Mask | None:
        if not self._blocked and not self._blocked_categories and not self._only:
            return None
        elsewhere = {product for product, categories in self._only.items() if last_category not in categories}
        out = self._blocked | elsewhere
        mask = np.array([product in out for product in candidates.product_ids], dtype=np.bool_)
        for category in self._blocked_categories:
            mask |= self._of_category(candidates, category)
        return mask

    def _burden(self, candidates: Candidates) -> tuple[Values | None, Values | None]:
        """What is taken off each score: a share of its size, and an offset. A product's own rule comes on top of its category's."""
        if not self._buried and not self._buried_categories:
            return None, None
        n = len(candidates.product_ids)
        kept, offset = np.ones(n), np.zeros(n)
        for category, bury in self._buried_categories.items():
            _lower(self._of_category(candidates, category), bury, kept, offset)
        for index, product in enumerate(candidates.product_ids):
            if product in self._buried:
                _lower(index, self._buried[product], kept, offset)
        return 1 - kept, offset

    def _pins_among(self, product_ids: list[str], blocked: Mask | None, last_category: str) -> dict[int, int]:
        """Candidates by position; of several pins for a place, or places for a product, the first that applies."""
        index_of = {product: index for index, product in enumerate(product_ids)}
        pins: dict[int, int] = {}
        for pin in self._pins:
            index = index_of.get(pin.product)
            if index is None or pin.category not in ("", last_category) or (blocked is not None and blocked[index]):
                continue
            if pin.position not in pins and index not in pins.values():
                pins[pin.position] = index
        open_places = len(product_ids) - (0 if blocked is None else int(blocked.sum()))
        return _moved_up(pins, open_places)

    def _of_category(self, candidates: Candidates, category: str) -> Mask:
        code = self._catalogue.code_of(category)
        return candidates.codes == code if code else np.zeros(len(candidates.codes), dtype=np.bool_)


def _lower(where: int | Mask, bury: Bury, kept: Values, offset: Values) -> None:
    kept[where] *= bury.factor
    offset[where] += bury.offset


def _moved_up(pins: dict[int, int], length: int) -> dict[int, int]:
    """The pins in a list of that length: those beyond its end stand at its end, in their order."""
    last = length
    moved: dict[int, int] = {}
    for position, index in sorted(pins.items(), reverse=True):
        last = min(position, last - 1)
        moved[last] = index
    return moved


def contradiction_in(rules: BusinessRules, items: int) -> str | None:
    """Return what is wrong with the rules of a list of so many items: the key and what it accepts; None where nothing is."""
    for number, bury in enumerate(rules.bury):
        if bool(bury.product) == bool(bury.category):
            return f"rules.bury[{number}]: must name either a product or a category"
        if bury.factor == 1 and bury.offset == 0:
            return f"rules.bury[{number}]: must have a factor below 1 or an offset below 0"
    for number, pin in enumerate(rules.pin):
        if pin.position >= items:
            return f"rules.pin[{number}].position: must be below profile.items, which is {items}"
        if pin.product in rules.block.products:
            return f"rules.pin[{number}].product: {pin.product} is in rules.block.products as well; take it off one of them"
    return _contradicting_only(rules) or _repeated(rules)


def _contradicting_only(rules: BusinessRules) -> str | None:
    shown_in: dict[str, set[str]] = {}
    for number, only in enumerate(rules.only):
        shown_in.setdefault(only.product, set()).add(only.category)
        if only.product in rules.block.products:
            return f"rules.only[{number}].product: {only.product} is in rules.block.products as well; take it off one of them"
    for number, pin in enumerate(rules.pin):
        categories = shown_in.get(pin.product)
        if categories is not None and pin.category not in categories:
            among = ", ".join(sorted(categories))
            return f"rules.pin[{number}].category: {pin.product} is shown only in {among} by rules.only; pin it there"
    return None


def _repeated(rules: BusinessRules) -> str | None:
    for key, what, names in (
        ("rules.pin", "a place and category", [(pin.position, pin.category) for pin in rules.pin]),
        ("rules.pin", "a product and category", [(pin.product, pin.category) for pin in rules.pin]),
        ("rules.only", "a product and category", [(only.product, only.category) for only in rules.only]),
        ("rules.bury", "a product or category", [(bury.product, bury.category) for bury in rules.bury]),
    ):
        name, count = Counter(names).most_common(1)[0] if names else (None, 0)
        if count > 1:
            return f"{key}: {what} must not be named twice, as {' '.join(str(part) for part in name or () if part != '')} is"
    return None
