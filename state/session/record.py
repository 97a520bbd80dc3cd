"""A session as the compiled core's record, and back.

A record holds what most sessions consist of. What it has no place for stays in the other form: consent and erasure,
slates of another policy or feature set or with the shop's own order, texts that JSON would write with escapes. Texts are UTF-8.
"""

import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.codec import UnreadableError
from state.feature_set import DIMENSION, FEATURE_SET
from state.kernels.core.layout import (
    BUNDLED,
    C_EVENTS,
    C_HINT,
    C_NAMES,
    C_OPEN,
    C_POOL,
    C_SHOWN,
    C_SLATES,
    C_TOUCHES,
    COLUMNS,
    COUNT_CAPACITY,
    EXPLORED,
    FULL_STRENGTH,
    HEAD_BYTES,
    HEADER,
    IMPLICIT,
    ITEMS,
    LONGEST_NAME,
    MOST_PARTS,
    QUEUED,
    SESSION,
    SLATE_IMPLICIT,
    SLATE_LOGGED,
    TOLD_BELOW,
    TOLD_PASSED,
)
from state.kernels.core.naming import hash_bytes
from state.kernels.core.record import MOST_KNOWN, MOST_TOTAL
from state.session.exposure import BELOW, PASSED, Exposure
from state.session.hint import Hint
from state.session.interest import CHECKOUT
from state.session.recent_events import LoggedEvent, RecentEvents, pack_identity, unpack_identity
from state.session.session import Session
from state.session.slate import Slate

FORM = b"\x02"
ENTRY = "\x1d"
"""Between the entries of a moment."""
_COUNTS = ("n_events", "n_touches", "n_names", "n_open", "n_slates", "n_shown", "n_hint", "pool_len")
LONGEST_IDENTITY = 160
"""Bytes: an event without an id is known by its time, type, product and category."""
_CREDIT = "\x00"
_CONTROLS = re.compile(r"[\x00-\x1f]")
"""What JSON writes as escapes, besides quotes and backslashes."""
_COLUMNS = [
    (name, np.dtype(kind), np.dtype(kind).itemsize * int(np.prod(more, dtype=int)), counted, more)
    for name, kind, _, counted, more in COLUMNS
]
"""Name, type, bytes of one entry, what counts it, further dimensions; the last is the pool."""
_FIELDS = SESSION.fields
assert _FIELDS is not None
_HEAD = np.dtype(
    {
        "names": [name for name, _ in HEADER],
        "formats": [kind for _, kind in HEADER],
        "offsets": [_FIELDS[name][1] for name, _ in HEADER],
        "itemsize": HEAD_BYTES,
    }
)
_NUMBERS = [name for name, *_ in COLUMNS if name not in ("op_x", "sl_x", "pool")]
_MARGIN = {C_EVENTS: 2, C_TOUCHES: 64, C_NAMES: 128, C_OPEN: 24, C_SLATES: 0, C_SHOWN: 2, C_HINT: 0, C_POOL: 6_800}
"""Room that a record must have left, so that its next input fits."""
LONGEST_LIST = 12_000
"""Bytes of a user's list with its lengths."""


def policy_key(policy: str, variant: str) -> bytes:
    """Return what tells in a record by which policy its slates were chosen."""
    return f"{policy}{ENTRY}{variant}".encode()


class NotARecordError(Exception):
    """The session has something that a record has no place for."""


def pack_record(session: Session, policy: str, variant: str) -> bytes | None:
    """Return the session's state value as a record, None where that has no place for all of it."""
    if session.consent.has_marker():
        return None
    try:
        return _Packer(policy, variant).pack(session)
    except (NotARecordError, OverflowError):
        return None


class _Packer:
    """Columns of one record as they are filled."""

    def __init__(self, policy: str, variant: str) -> None:
        self._policy, self._variant = policy, variant
        self._columns: dict[str, list[Any]] = {name: [] for name, *_ in COLUMNS}
        self._numbers: dict[bytes, int] = {b"": 0}
        self._pool = bytearray()
        self._columns["na_off"].append(0)
        self._columns["na_len"].append(0)
        self._head: dict[str, float] = dict.fromkeys([name for name, _ in HEADER], 0)
        self._hashes: dict[bytes, int] = {}

    def pack(self, session: Session) -> bytes:
        if session.shop_order:
            raise NotARecordError
        for event in session.recent.events:
            self._event(event)
        for slate in session.slates:
            self._slate(slate)
        for exposure in session.exposures:
            self._exposure(exposure)
        for product, times in session.shown.items():
            self._columns["sh_name"].append(self._name(product))
            self._columns["sh_times"].append(min(times, 60_000))
        self._fields(session)
        if session.hint:
            self._hint(session.hint, session.user)
        return self._bytes()

    def _fields(self, session: Session) -> None:
        head = self._head
        head["generation"], head["updated_at_ms"] = session.generation, session.updated_at_ms
        head["newest_input_ms"], head["timer_ms"] = session.newest_input_ms, session.timer_ms
        head["pending_ms"], head["pending_cause"] = session.pending_ms, self._cause(session.pending_cause)
        head["applied"], head["duplicates"], head["dropped"] = session.applied, session.duplicates, session.dropped
        head["sends_impressions"] = int(session.sends_impressions)
        time_ms, horizon = session.recent.horizon
        head["horizon_ms"] = time_ms
        head["horizon_off"], head["horizon_len"] = self._text(pack_identity(horizon), LONGEST_IDENTITY)
        head["region_off"], head["region_len"] = self._text(_plain(session.region, 128), 128)
        moment = ENTRY.encode().join(_plain(name, 900) for name in session.moment)
        head["moment_off"], head["moment_len"] = self._text(moment, 900)
        head["user_off"], head["user_len"] = self._text(_plain(session.user, 32), 32)
        head["policy_off"], head["policy_len"] = self._text(policy_key(self._policy, self._variant), 200)

    def _hint(self, data: bytes, user: str) -> None:
        hint, head, columns = _read_hint(data, user), self._head, self._columns
        head["has_hint"], head["hint_products"] = 1, len(hint.products)
        head["hint_total"], head["hint_seen_ms"] = hint.total, hint.seen_ms
        for name, value in (*hint.products.items(), *hint.categories.items()):
            if not name or not 0 <= value <= MOST_KNOWN * hint.total:
                raise NotARecordError
            columns["hi_name"].append(self._name(name))
            columns["hi_value"].append(value)
        texts = [_plain(product, LONGEST_NAME) for product in hint.items]
        listed = b"".join(bytes((len(text),)) + text for text in texts)
        head["listed_off"], head["listed_len"] = self._text(listed, LONGEST_LIST)

    def _text(self, text: bytes, longest: int) -> tuple[int, int]:
        if len(text) > longest:
            raise NotARecordError
        at = len(self._pool)
        self._pool += text
        return at, len(text)

    def _name(self, name: str, longest: int = LONGEST_NAME) -> int:
        text = _plain(name, longest)
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._numbers)
            at, size = self._text(text, longest)
            self._columns["na_off"].append(at)
            self._columns["na_len"].append(size)
        return number

    def _cause(self, digest: bytes) -> int:
        if not digest:
            return 0
        found = self._hashes.get(digest)
        return struct.unpack("<q", digest)[0] if found is None else found

    def _event(self, event: LoggedEvent) -> None:
        if len(event.identity) > LONGEST_IDENTITY:
            raise NotARecordError
        columns = self._columns
        if not (event.identity[:1] == b"\0" and len(event.identity) == 17):
            _check_identity(event.identity)
        self._hashes[event.digest] = hash_bytes(event.identity)
        at, size = self._text(event.identity, 255)
        credited = event.credited
        products = event.products or ([""] if event.categories else [])
        for name, value in (
            ("ev_ms", event.timestamp_ms),
            ("ev_strength", _coded(event.strength)),
            ("ev_off", at),
            ("ev_len", size),
            ("ev_first", len(columns["to_product"])),
            ("ev_n", len(products)),
            ("ev_kind", event.kind),
            ("ev_decision", self._name(event.decision_id, 128)),
            ("ev_bundles", self._bundles(event)),
        ):
            columns[name].append(value)
        for product, category in zip(products, event.categories, strict=True):
            columns["to_product"].append(self._name(product))
            columns["to_category"].append(self._name(category))
            columns["to_credited"].append(int(product in credited))

    def _bundles(self, event: LoggedEvent) -> int:
        """Puts what the event is a checkout of among the texts; returns one more than its place, 0 for nothing."""
        if not event.bundles:
            return 0
        place_of = {product: place for place, product in enumerate(event.products)}
        runs = bytearray()
        for bundle in event.bundles:
            if not 1 <= len(bundle) <= MOST_PARTS or not place_of.keys() >= set(bundle) or len(place_of) > 255:
                raise NotARecordError
            runs += bytes((len(bundle), *map(place_of.__getitem__, bundle)))
        if len(runs) > BUNDLED or event.kind != CHECKOUT:
            raise NotARecordError
        return 1 + self._text(bytes((len(runs), *runs)), 255)[0]

    def _slate(self, slate: Slate) -> None:
        count = len(slate.product_ids)
        is_ours = (slate.policy, slate.variant, slate.feature_set) == (self._policy, self._variant, FEATURE_SET)
        if not is_ours or slate.full is not None or any(slate.pinned) or any(slate.arms) or count > ITEMS:
            raise NotARecordError
        if len(slate.features) != 2 * DIMENSION * count or len(slate.cause) not in (0, 8):
            raise NotARecordError
        columns = self._columns
        flags = (SLATE_IMPLICIT if slate.implicit else 0) | (SLATE_LOGGED if slate.logged else 0)
        for name, value in (
            ("sl_at_ms", slate.published_at_ms),
            ("sl_model", slate.model_version),
            ("sl_cause", self._cause(slate.cause)),
            ("sl_version", slate.profile_version),
            ("sl_seen", slate.seen),
            ("sl_decision", self._name(slate.decision_id, 128)),
            ("sl_next_seq", slate.next_seq),
            ("sl_n", count),
            ("sl_flags", flags),
            ("sl_propensity", _padded(slate.propensity, 0.0)),
            ("sl_product", _padded([self._name(product) for product in slate.product_ids], 0)),
            ("sl_category", _padded([self._name(category) for category in slate.category_ids], 0)),
            ("sl_source", _padded(list(slate.sources or bytes(count)), 0)),
            ("sl_explored", _padded([int(one) for one in slate.explored], 0)),
        ):
            columns[name].append(value)
        x = np.zeros((ITEMS, DIMENSION), np.uint16)
        x[:count] = np.frombuffer(slate.features, np.uint16).reshape(count, DIMENSION)
        columns["sl_x"].append(x)

    def _exposure(self, exposure: Exposure) -> None:
        if len(exposure.x) != 2 * DIMENSION or exposure.examination != 1 or len(exposure.cause) not in (0, 8):
            raise NotARecordError
        if exposure.learned_weight not in (0, 1) or exposure.shown_position > 250 or exposure.arm:
            raise NotARecordError
        columns = self._columns
        flags = IMPLICIT * exposure.implicit | QUEUED * exposure.queued | EXPLORED * exposure.explored
        flags |= TOLD_PASSED * bool(exposure.place & PASSED) | TOLD_BELOW * bool(exposure.place & BELOW)
        for name, value in (
            ("op_at_ms", exposure.exposed_at_ms),
            ("op_cause", self._cause(exposure.cause)),
            ("op_reward", exposure.reward),
            ("op_told_weight", exposure.learned_weight),
            ("op_told_reward", exposure.learned_reward),
            ("op_product", self._name(exposure.product_id)),
            ("op_decision", self._name(exposure.decision_id, 128)),
            ("op_seq", exposure.seq),
            ("op_position", exposure.position),
            ("op_place", exposure.shown_position),
            ("op_flags", flags),
            ("op_x", np.frombuffer(exposure.x, np.uint16)),
        ):
            columns[name].append(value)

    def _bytes(self) -> bytes:
        columns, head = self._columns, self._head
        counted = ("ev_ms", "to_product", "na_off", "op_at_ms", "sl_at_ms", "sh_name", "hi_name", "pool")
        for number, (name, column) in enumerate(zip(_COUNTS, counted, strict=True)):
            head[name] = len(self._pool) if column == "pool" else len(columns[column])
            if head[name] > COUNT_CAPACITY[number] - _MARGIN[number]:
                raise NotARecordError
        head["swept_len"] = len(self._pool)
        record = np.zeros(1, _HEAD)
        for name, value in head.items():
            record[name] = value
        parts = [FORM, record.tobytes()]
        for name, dtype, _, _, _ in _COLUMNS[:-1]:
            values = columns[name]
            parts.append(np.array(values, dtype).tobytes() if values else b"")
        return b"".join((*parts, self._pool))


def unpack_record(data: bytes) -> Session:
    """Return the session of a record, given behind the byte of its form.

    Raises:
        UnreadableError: the bytes are no record.
    """
    return _Unpacker(data).session()


class _Unpacker:
    """Columns of one record as they are read."""

    def __init__(self, data: bytes) -> None:
        if len(data) < HEAD_BYTES:
            raise UnreadableError("a session's record is damaged: it is too short")
        record = np.frombuffer(data, _HEAD, 1).tolist()[0]
        self._head: dict[str, int] = dict(zip(_HEAD.names or (), record, strict=True))
        self._columns: dict[str, NDArray[Any]] = {}
        at = HEAD_BYTES
        for name, dtype, width, counted, more in _COLUMNS:
            count = self._head[_COUNTS[counted]]
            size = count * width
            if count < 0 or at + size > len(data):
                raise UnreadableError("a session's record is damaged: a column ends early")
            self._columns[name] = np.frombuffer(data, dtype, size // dtype.itemsize, at).reshape(count, *more)
            at += size
        if at != len(data):
            raise UnreadableError("a session's record is damaged: bytes are left")
        self._pool = self._columns["pool"].tobytes()
        self._names = [
            self._pool[off : off + size].decode()
            for off, size in zip(self._columns["na_off"].tolist(), self._columns["na_len"].tolist(), strict=True)
        ]
        self._digests: dict[int, bytes] = {}
        self._policy, _, self._variant = self._text("policy").decode().partition(ENTRY)

    def session(self) -> Session:
        head = self._head
        events = self._events()
        moment = self._text("moment").decode()
        shown: Mapping[str, int] = {
            self._names[name]: times
            for name, times in zip(self._columns["sh_name"].tolist(), self._columns["sh_times"].tolist(), strict=True)
        }
        session = Session.begin(head["generation"])
        horizon = unpack_identity(self._text("horizon"))
        session.recent = RecentEvents(events, (head["horizon_ms"], horizon))
        session.applied, session.duplicates, session.dropped = head["applied"], head["duplicates"], head["dropped"]
        session.updated_at_ms, session.newest_input_ms = head["updated_at_ms"], head["newest_input_ms"]
        session.timer_ms, session.pending_ms = head["timer_ms"], head["pending_ms"]
        session.pending_cause = self._cause(head["pending_cause"])
        session.sends_impressions = bool(head["sends_impressions"])
        session.region, session.user = self._text("region").decode(), self._text("user").decode()
        session.moment = moment.split(ENTRY) if moment else []
        session.shown = dict(shown)
        session.hint = self._hint(session.user) if head["has_hint"] else b""
        session.exposures = self._exposures()
        session.__dict__["slates"] = self._slates()  # in place of what would be read from the packed form
        return session

    def _text(self, what: str) -> bytes:
        at = self._head[f"{what}_off"]
        return self._pool[at : at + self._head[f"{what}_len"]]

    def _hint(self, user: str) -> bytes:
        head, hi, listed = self._head, self._lists("hi_"), self._text("listed")
        known = [(self._names[name], value) for name, value in zip(hi["name"], hi["value"], strict=True)]
        items, at, split = [], 0, head["hint_products"]
        while at < len(listed):
            end = at + 1 + listed[at]
            items.append(listed[at + 1 : end].decode())
            at = end
        return Hint(
            user, head["hint_seen_ms"], head["hint_total"], dict(known[:split]), dict(known[split:]), items
        ).encode()

    def _cause(self, number: int) -> bytes:
        if not number:
            return b""
        return self._digests.get(number) or struct.pack("<q", number)

    def _lists(self, prefix: str) -> dict[str, list[Any]]:
        return {name[3:]: self._columns[name].tolist() for name in _NUMBERS if name.startswith(prefix)}

    def _events(self) -> list[LoggedEvent]:
        ev, to, names = self._lists("ev_"), self._lists("to_"), self._names
        events = []
        for at in range(len(ev["ms"])):
            identity = self._pool[ev["off"][at] : ev["off"][at] + ev["len"][at]]
            touches = range(ev["first"][at], ev["first"][at] + ev["n"][at])
            products = [names[to["product"][t]] for t in touches]
            reaction = names[ev["decision"][at]]
            credited = [names[to["product"][t]] for t in touches if to["credited"][t]]
            event = LoggedEvent(
                ev["ms"][at],
                identity,
                ev["kind"][at],
                [product for product in products if product],
                [names[to["category"][t]] for t in touches],
                "".join((reaction, *(_CREDIT + product for product in credited))),
                _strength(ev["strength"][at]),
                self._bundles(ev["bundles"][at], products) if ev["bundles"][at] else [],
            )
            self._digests[hash_bytes(identity)] = event.digest
            events.append(event)
        return events

    def _bundles(self, place: int, products: list[str]) -> list[list[str]]:
        """What a checkout is of, from where that stands, by its products."""
        runs, bundles, at = self._pool[place : place + self._pool[place - 1]], [], 0
        while at < len(runs):
            end = at + 1 + runs[at]
            bundles.append([products[t] for t in runs[at + 1 : end]])
            at = end
        return bundles

    def _slates(self) -> list[Slate]:
        sl, x, names = self._lists("sl_"), self._columns["sl_x"], self._names
        slates = []
        for a in range(len(sl["n"])):
            count = sl["n"][a]
            slate = Slate(
                decision_id=names[sl["decision"][a]],
                published_at_ms=sl["at_ms"][a],
                profile_version=sl["version"][a],
                model_version=sl["model"][a],
                policy=self._policy,
                variant=self._variant,
                feature_set=FEATURE_SET,
                cause=self._cause(sl["cause"][a]),
                product_ids=[names[name] for name in sl["product"][a][:count]],
                category_ids=[names[name] for name in sl["category"][a][:count]],
                propensity=sl["propensity"][a][:count],
                explored=[bool(one) for one in sl["explored"][a][:count]],
                features=x[a, :count].tobytes(),
                seen=sl["seen"][a],
                implicit=bool(sl["flags"][a] & SLATE_IMPLICIT),
                logged=bool(sl["flags"][a] & SLATE_LOGGED),
                next_seq=sl["next_seq"][a],
                sources=bytes(sl["source"][a][:count]),
            )
            slates.append(slate)
        return slates

    def _exposures(self) -> list[Exposure]:
        op, x, names = self._lists("op_"), self._columns["op_x"], self._names
        return [
            Exposure(
                names[op["decision"][i]],
                names[op["product"][i]],
                op["position"][i],
                op["place"][i],
                op["at_ms"][i],
                self._cause(op["cause"][i]),
                x[i].tobytes(),
                bool(op["flags"][i] & IMPLICIT),
                op["seq"][i],
                op["reward"][i],
                bool(op["flags"][i] & QUEUED),
                bool(op["flags"][i] & EXPLORED),
                1,
                op["told_weight"][i],
                op["told_reward"][i],
                PASSED * bool(op["flags"][i] & TOLD_PASSED) | BELOW * bool(op["flags"][i] & TOLD_BELOW),
            )
            for i in range(len(op["at_ms"]))
        ]


def _read_hint(data: bytes, user: str) -> Hint:
    """What is known of the session's user, if a record gives it back byte for byte."""
    try:
        hint = Hint.decode(data)
    except UnreadableError as error:
        raise NotARecordError from error
    is_kept = hint.user == user and hint.is_finite and hint.encode() == data
    if not is_kept or not 0 <= hint.total <= MOST_TOTAL or len(hint.products) > 255:
        raise NotARecordError
    return hint


def _coded(strength: float) -> int:
    """A strength as the record has it: full, or the rating in thousandths that it comes of."""
    if not math.isfinite(strength):
        raise NotARecordError
    if abs(strength) == 1:
        return FULL_STRENGTH if strength > 0 else -FULL_STRENGTH
    code = round((2 * strength + 3) * 1_000)
    if not 1_000 <= code <= 5_000 or _strength(code) != strength:
        raise NotARecordError
    return code


def _strength(code: int) -> float:
    if abs(code) == FULL_STRENGTH:
        return 1.0 if code > 0 else -1.0
    return (code / 1_000 - 3) / 2


def _plain(text: str, longest: int) -> bytes:
    """The text in UTF-8, if JSON writes it as it stands and it is not longer than so many bytes."""
    encoded = text.encode()
    if len(encoded) > longest or '"' in text or "\\" in text:
        raise NotARecordError
    if not text.isprintable() and _CONTROLS.search(text):
        raise NotARecordError
    return encoded


def _check_identity(identity: bytes) -> None:
    """Raises where an identity, of a damaged session maybe, is no text of that kind."""
    try:
        _plain(identity.decode(), LONGEST_IDENTITY)
    except UnicodeDecodeError:
        raise NotARecordError from None


def _padded(values: Sequence[Any], filling: Any) -> list[Any]:
    return [*values, *[filling] * (ITEMS - len(values))]
