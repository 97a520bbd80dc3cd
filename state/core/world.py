"""What the compiled core reads besides its inputs: configuration, catalogue, models, lists, in one record for each variant."""

from struct import Struct
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.candidates.sources.shelf import LIKED_CATEGORIES
from state.choosing.choice import Chooser
from state.configuration import Settings
from state.core.beliefs import Beliefs
from state.core.eligibility import left_to_python
from state.core.held import Held
from state.core.lists import Lists
from state.core.name_index import NameIndex
from state.core.resolving import named_categories
from state.events.event import EVENT_TYPES
from state.events.moment import DAYPARTS, SEASONS
from state.feature_set import DIMENSION
from state.kernels.core.layout import (
    FIRST,
    MAX,
    MODE_AUTO,
    MODE_EXPLICIT,
    MODE_IMPLICIT,
    PASSING,
    SUM,
    WORLD,
)
from state.policy.normals import FRESH
from state.profile.profile import CATEGORIES_AT_LEAST, CATEGORIES_LISTED, category_shares
from state.profile.profile_items import REASON_CODES, REASON_OF_FEATURE
from state.session.exposure import largest_reward, open_for_ms
from state.session.interest import CATEGORY_VIEW, largest, weights_by_type

MOST_VISITS = 600
"""Visits for which quotas are kept; from there on they hardly change."""
MOST_LIMITS = 4
"""Numbers of candidates for which quotas are kept: the overload's levels have two."""
ELSEWHERE = -1
"""In place of the number of a record: the Python core serves the session's variant."""
NORMALS = 1 << 15
USES_OF_NORMALS = 16
_MODES = {"auto": MODE_AUTO, "explicit": MODE_EXPLICIT, "implicit": MODE_IMPLICIT}
_AGGREGATES = {"first": FIRST, "sum": SUM, "max": MAX}


class World:
    """The records, and all that their addresses point to.

    There is a record for each variant that the compiled core serves. They differ in policy and model; all else is in every one of
    them.

    Attributes:
        record: (variants,) of `WORLD`.
        lists: the lists that were asked for.
        variants: names of the variants, in the order of their records.
        is_shared: whether there are other variants than the only one here.
    """

    def __init__(self, settings: Settings, chooser: Chooser, rng: np.random.Generator) -> None:
        self.settings, self.chooser = settings, chooser
        left, choosers = left_to_python(settings), chooser.of_all_variants()
        self._choosers = [other for other in choosers if other.settings.bandit.variant not in left]
        self.variants = [other.settings.bandit.variant for other in self._choosers]
        self._numbers = {other: number for number, other in enumerate(self._choosers)}
        self.is_shared, self._leaves_some = len(choosers) > 1, bool(left)
        self.record: NDArray[Any] = np.zeros(len(self._choosers), WORLD)
        self.lists = Lists()
        self._places = range(0, self.record.nbytes, WORLD.itemsize)
        self._bytes = memoryview(self.record.view(np.uint8).data)
        self._existing: Any = None
        self._columns: tuple[Any, ...] = ()
        self._held = Held()
        self._rng = rng
        self._rows, self._codes = NameIndex(), NameIndex()
        self._seen_moves = self._seen_codes = self._seen_bundles = -1
        self._pool: Any = None
        self._quotas_for = 0
        self._quotas: dict[int, NDArray[np.int64]] = {}
        self._texts = bytearray(64)
        self._renewed = 0
        self._used = memoryview(self.record["normals_used"].data)
        self._oldest_normal = 0
        self._configure()

    def follow(self, now_ms: int, watermark_ms: int, limit: int, interval_ms: int) -> None:
        """Bring the record up to date for a batch; `limit` candidates and `interval_ms` between profiles go by the overload."""
        self.chooser.refresh(now_ms)
        self._follow_quotas(limit)
        self._follow_catalogue()
        self._follow_shelf()
        for beliefs in self._beliefs:
            beliefs.follow(now_ms)
        self._follow_bundles()
        self._renew_normals()
        if self.lists.existing is not self._existing:
            self._existing = self.lists.existing
            self.record["existing"], self.record["existing_mask"] = self._existing.ctypes.data, len(self._existing) - 1
        late_before_ms = max(0, watermark_ms - self.settings.events.allowed_lateness_ms)
        mark = self.chooser.catalogue.mark
        for at in self._places:
            _passing.pack_into(self._bytes, at, now_ms, watermark_ms, late_before_ms, interval_ms, mark, limit)

    @property
    def leaves_some(self) -> bool:
        """Whether there are sessions that are left to the Python core: of variants that it serves, or whose lists follow the shop's
        own order as yet."""
        return self._leaves_some or self.chooser.is_apprentice

    def number_of(self, session_id: str) -> int:
        """Return the number of the record of the session's variant, -1 where that is left to the Python core."""
        if self.chooser.is_apprentice:
            return ELSEWHERE
        return self._numbers.get(self.chooser.of(session_id), ELSEWHERE) if self.is_shared else 0

    def leave(self) -> None:
        """Hand on what a batch has left behind: the marks of its candidates."""
        self.chooser.catalogue.mark = _passing.unpack_from(self._bytes)[_MARK]

    def regions(self) -> list[tuple[int, int]]:
        """Return begins and lengths of all that may be read, for the checked mode."""
        return [
            (int(self.record.ctypes.data), int(self.record.nbytes)),
            *self._held.regions(),
            *self.lists.regions(),
        ]

    def _configure(self) -> None:
        one, c = self.record, self.settings
        one["ttl_ms"], one["open_for_ms"] = c.session.ttl_ms, open_for_ms(c.reward)
        one["window_ms"], one["disorder_ms"] = c.reward.window_ms, c.reward.disorder_ms
        one["max_events"], one["open_max"] = c.session.max_events, c.exposure.open_max
        one["implicit_items"], one["implicit_dwell_ms"] = c.exposure.implicit_items, c.exposure.implicit_dwell_ms
        one["by_evidence"] = c.exposure.model == "auto"
        one["groups"] = c.bandit.groups
        one["exposure_mode"], one["aggregate"] = _MODES[c.exposure.mode], _AGGREGATES[c.reward.aggregate]
        one["decay"], one["largest"] = c.session.decay.factor, largest_reward(c.reward)
        weights = weights_by_type(c.reward.weights)
        for kind, name in enumerate(EVENT_TYPES):
            one["counts"][:, kind], one["weights"][:, kind] = name in weights, weights.get(name, 0.0)
        assert EVENT_TYPES[CATEGORY_VIEW] == "category_view"
        one["view_weight"], one["user_share"] = c.reward.weights.product_view or 1.0, c.users.weight
        one["slots"], one["full_share"] = c.profile.items, c.decisions.full_share
        one["logs_published"] = c.decisions.log == "published"
        one["boosts"], one["has_boosts"] = self.chooser.mix.boosts, self.chooser.mix.boosts.any()
        one["cap_category"], one["cap_personal"] = self.chooser.mix.caps
        one["times_shown"], one["hide_bought"] = c.variety.times_shown, c.variety.hide_bought
        one["warming_after"], one["active_after"] = c.session.warming_after, c.session.active_after
        one["active_variety"], one["active_match"] = c.session.active_variety, c.session.active_match
        one["affinities"], one["trends_most"] = c.profile.affinities, c.profile.trends
        one["bundles_most"], one["bundle_weight"] = c.profile.bundles, c.reward.weights.bundle
        one["max_bytes"], one["refresh_after_ms"] = c.profile.max_bytes, c.profile.refresh_after_ms
        one["max_event_bytes"], one["max_future_ms"] = c.events.max_bytes, c.events.max_future_ms
        self._normals = self._rng.standard_normal(NORMALS, dtype=np.float32)
        one["normals"], one["normals_size"] = self._held.put("normals", self._normals), NORMALS
        one["resolved"], one["resolved_index"] = self.lists.table_at, self.lists.index_at
        one["resolved_mask"] = self.lists.mask
        self._write_texts()
        self._beliefs = [
            Beliefs(chooser, self.record[number], number, self._held, self._rng, self._text)
            for number, chooser in enumerate(self._choosers)
        ]
        self._fixed_texts = len(self._texts)

    def _text(self, text: bytes) -> tuple[int, int]:
        at = len(self._texts)
        self._texts += text + bytes(32)
        return at, len(text)

    def _write_texts(self) -> None:
        one = self.record
        for kind, name in enumerate(EVENT_TYPES):
            one["kind_off"][:, kind], one["kind_len"][:, kind] = self._text(name.encode())
        for reason, code in enumerate(REASON_CODES):
            one["reason_off"][:, reason], one["reason_len"][:, reason] = self._text(code.encode())
        one["reason_of"][:, :DIMENSION] = REASON_OF_FEATURE
        moments = [*(f"time:{name}" for name in DAYPARTS), *(f"season:{name}" for name in SEASONS), "device:"]
        for number, moment in enumerate(moments):
            one["moment_off"][:, number], one["moment_len"][:, number] = self._text(moment.encode())
        letters = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)
        pairs = [int(letters[i >> 6]) | int(letters[i & 63]) << 8 for i in range(4096)]
        one["base64"] = self._held.put("base64", np.array(pairs, np.uint16))

    def _follow_quotas(self, limit: int) -> None:
        if limit == self._quotas_for:
            return
        self._quotas_for = limit
        if len(self._quotas) > MOST_LIMITS:
            self._quotas.clear()
        if limit not in self._quotas:
            self._quotas[limit] = self._made_quotas(limit)
        quotas = self._quotas[limit]
        self.record["quotas"], self.record["most_visits"] = self._held.put("quotas", quotas), MOST_VISITS

    def _made_quotas(self, limit: int) -> NDArray[np.int64]:
        shelf = self.chooser.shelf
        return np.array(
            [
                [shelf.quotas(visits, limit, by_category=liked) for liked in (False, True)]
                for visits in range(MOST_VISITS)
            ],
            np.int64,
        )

    def _follow_catalogue(self) -> None:
        c = self.chooser.catalogue
        columns = (c.names.address, c.names_of_codes.address, c.category, c.active, c.stamp)
        known = self._columns
        if (
            not known
            or columns[:2] != known[:2]
            or any(new is not old for new, old in zip(columns[2:], known[2:], strict=True))
        ):
            self._columns = columns
            self._use_columns()
        self._follow_rows()
        if self._seen_codes != len(c.category_ids):
            self._follow_codes()

    def _use_columns(self) -> None:
        one, c, held = self.record, self.chooser.catalogue, self._held
        one["names"], one["code_names"] = c.names.address, c.names_of_codes.address
        held.allow("names", c.names.address, c.names.size)
        held.allow("code names", c.names_of_codes.address, c.names_of_codes.size)
        one["category"], one["active"] = held.put("category", c.category), held.put("active", c.active)
        one["stamp"], one["rows"] = held.put("stamp", c.stamp), len(c.stamp)

    def _follow_rows(self) -> None:
        c, one = self.chooser.catalogue, self.record
        if self._seen_moves == c.moved.count:
            return
        one["has_catalogue"] = len(c) > 0
        moved = c.moved.since(self._seen_moves) if self._seen_moves >= 0 else None
        count = len(c.product_ids)
        if moved is None or not self._rows.can_take(count, len(moved)):
            is_held = np.zeros(count, np.uint8)
            is_held[list(c.row_of.values())] = 1
            self._rows.fill(c.names.address, count, is_held)
            one["row_index"] = self._held.put("row index", self._rows.slots)
            one["row_mask"] = self._rows.mask
        else:
            for row in dict.fromkeys(moved):
                product = c.product_ids[row]
                self._rows.move(c.names.address, row, bool(product) and c.row_of.get(product) == row)
        self._seen_moves = c.moved.count

    def _follow_codes(self) -> None:
        c, one = self.chooser.catalogue, self.record
        count = len(c.category_ids)
        self._codes.fill(c.names_of_codes.address, count, np.ones(count, np.uint8))
        one["code_index"], one["code_mask"] = self._held.put("code index", self._codes.slots), self._codes.mask
        one["code_slot"] = self._held.put("code slot", np.zeros(count, np.int32))
        one["pass_codes"] = self._held.put("codes of the first pass", np.zeros((count, 3)))
        one["codes"] = count
        self._seen_codes = count
        self._pool = None

    def _follow_shelf(self) -> None:
        shelf, c, one = self.chooser.shelf, self.chooser.catalogue, self.record
        if shelf.pool is self._pool:
            return
        self._pool = shelf.pool
        one["pool"], one["pool_size"] = self._held.put("pool", np.ascontiguousarray(shelf.pool)), len(shelf.pool)
        parts = np.zeros((len(c.category_ids), 2, 2), np.int64)
        kept = []
        for code, category in enumerate(c.category_ids):
            best, newest = shelf.of_category(category)
            kept += [best, newest]
            parts[code] = (best.ctypes.data, len(best)), (newest.ctypes.data, len(newest))
        for number, rows in enumerate(kept):
            self._held.put(f"part {number}", rows)
        one["category_parts"] = self._held.put("parts", parts)
        usual = shelf.best_categories()
        assert len(usual) <= LIKED_CATEGORIES
        array, texts = named_categories(usual, c.code_of)
        one["usual"], one["n_usual"] = self._held.put("usual", array), len(usual)
        for number, text in enumerate(texts):
            self._held.put(f"usual {number}", text)
        self._write_rated()

    def _write_rated(self) -> None:
        """The categories of a profile that likes none."""
        one, rating = self.record, self.chooser.catalogue.category_rating
        del self._texts[self._fixed_texts :]
        shares = category_shares(largest(rating, CATEGORIES_LISTED)[:CATEGORIES_LISTED])
        whole, short = (msgspec.json.encode(shares[:most])[1:-1] for most in (CATEGORIES_LISTED, CATEGORIES_AT_LEAST))
        one["rated_off"], one["rated_len"] = self._text(whole)
        one["rated_short_len"] = len(short)
        one["texts"] = self._held.put("texts", np.frombuffer(bytes(self._texts), np.uint8))

    def _follow_bundles(self) -> None:
        bundles = self.chooser.shelf.bundles
        if bundles.changed.count != self._seen_bundles:
            self._seen_bundles = bundles.changed.count
            self.record["has_bundles"] = len(bundles) > 0

    def _renew_normals(self) -> None:
        """Replaces so many of the normal variables as `Normals` does."""
        used = sum(self._used)
        turns = used // USES_OF_NORMALS - self._renewed
        self._renewed += turns
        for _ in range(min(turns, NORMALS // FRESH)):
            self._rng.standard_normal(FRESH, dtype=np.float32, out=self._normals[self._oldest_normal :][:FRESH])
            self._oldest_normal = (self._oldest_normal + FRESH) % NORMALS


_passing = Struct(f"{len(PASSING)}q")
_MARK = PASSING.index("mark")
