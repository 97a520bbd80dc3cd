"""A shop in which things happen to both cores: acts by name, whose details come from a number.

Each act is deterministic given the scene so far and its number, so that Hypothesis can shrink a list of acts.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from random import Random
from string import ascii_lowercase
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import numpy as np

from jobs.settings import settings_from
from state.candidates.bundle import Bundle
from state.candidates.sources.names import BUNDLES
from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.choosing.overload import Level
from state.configuration import Settings
from state.core.batch_core import Work
from state.feature_set import DIMENSION
from state.kernels.core.layout import EVENT, PENDING, REPEAT, TIMER
from state.model.sums import Example
from state.personalizer import Personalizer
from state.popularity.listing import listing
from state.popularity.moments import Moment
from state.popularity.window import Counted
from state.session.forms import decode_session
from state.session.hint import Hint
from state.session.session import Session
from state.together.listing import Pair, encode_list, list_key
from tests.state.core.odd import odd_payload
from tests.state.core.twin import SALT, CompiledHost, Twins, packed
from tests.state.shop import HOUR, MINUTE, T0, predictor_of

PRODUCTS, CATEGORIES = 60, 5
LONG, TOO_LONG = "l" * 62, "ö" * 31 + "x"
ODD_NAMES = (LONG, TOO_LONG, 'quo"te')
"""Products whose names are as long as the record holds, longer, or not plain. Of a slate with any but the first the record has no
place."""
REGIONS = ("north", "south", "", "_all", "unknown land", "@home", "Süd", "東京")
USERS = (None, None, "ann", "bob", "jürgen@example.org")
DEVICES = (None, "phone", "", "d" * 100, "téléphone\x7f", "ü" * 64)
CONTEXTS: tuple[dict[str, str | int | float], ...] = (
    {"a": 1},
    {},
    {"weather": "rain", "temperature": -7.5, "age": 7},
    {"Wetter": "schön", "温度": 12.0, "": "", "e\u0301": "\U0001f327\u2028"},
    {f"{name}{number}": number for number in range(5) for name in "zaä"},
    {f"n{number}": number for number in range(17)},
    {"x" * 80: "y", "ü" * 70: 1, "short": "ö" * 90, "価" * 20: "値" * 70},
    {"zero": 0, "minus": -0.0, "small": 0.0001, "smaller": 0.00001, "large": 1e16, "long": 123456789012345},
)
WINDOW = HOUR
NOTHING = {"price": None, "decision_id": None, "category_id": None, "shown": None, "granted": False, "liked": True}
"""As some libraries write what an event does not have."""
FEW_EVENTS = 10
"""A log of so many is full in a scene."""

ACTS = {
    "wait": 1,
    "event": 15,
    "react": 15,
    "impression": 12,
    "again": 3,
    "odd": 2,
    "extreme": 2,
    "timer": 3,
    "pending": 3,
    "repeat": 2,
    "crash": 1,
    "convert": 3,
    "product": 2,
    "list": 3,
    "together": 2,
    "bundle": 4,
    "hint": 4,
    "model": 1,
    "overload": 1,
    "consent": 1,
}
"""Acts, the simplest first, and how often each comes."""


class Act(NamedTuple):
    """What happens, to which session, and where its details come from."""

    what: str
    session: int
    number: int


def product_name(number: int) -> str:
    """A product's id; from the tenth on two of three are beyond ASCII."""
    return f"p{number}" if number < 10 or number % 3 == 0 else f"Stück-{number}" if number % 3 == 1 else f"商品{number}"


def category_name(number: int) -> str:
    """A category's id."""
    return {3: "Möbel", 4: "家具 & 照明"}.get(number, f"c{number}")


def product(number: int, **changes: Any) -> Product:
    """A product of the catalogue."""
    fields: dict[str, Any] = {
        "price": 10.0 + number,
        "rating": 1.0 + number % 5,
        "rating_count": number,
        "created_at": T0 - number * HOUR,
    }
    return Product(product_name(number), category_name(number % CATEGORIES), **(fields | changes))


def chooser_of(settings: Settings, seed: int, products: int = PRODUCTS, odd_names: bool = True) -> Chooser:
    """A chooser with a catalogue."""
    chooser = Chooser(settings, np.random.default_rng(seed))
    for number in range(products):
        chooser.catalogue.put(product(number))
    if odd_names:
        chooser.catalogue.put(Product(LONG, "c0", price=5.0, rating=5.0, rating_count=9))
    chooser.refresh(T0)
    return chooser


def settings_of(overrides: dict[str, dict[str, Any]]) -> Settings:
    """Settings with overrides by section; every event is answered at once, and no decision goes to the log in full."""
    sections: dict[str, dict[str, Any]] = {"profile": {"min_interval": 0}, "decisions": {"full_share": 0.0}}
    return settings_from({name: sections.get(name, {}) | overrides.get(name, {}) for name in {*sections, *overrides}})


def some_hint(user: str, names: list[str], rng: Random) -> Hint:
    """Something that could be known of a user, now and then nothing."""
    if rng.random() < 0.1:
        return Hint(user, T0 - rng.randrange(HOUR), 0.0, {}, {}, [])
    total = rng.choice((0.0, 1e-9, 0.7, 3.5, 40.0, 1e6 * rng.random()))
    products = sorted((rng.choice((rng.random(), 0.1, 1.0)) for _ in range(rng.choice((0, 1, 5, 20)))), reverse=True)
    categories = [category_name(n) for n in rng.sample((0, 1, 2, 3, 4, 11, 12), rng.randrange(7))]
    return Hint(
        user,
        T0 - rng.randrange(HOUR),
        total,
        {name: total * share for name, share in zip(rng.sample(names, len(products)), products, strict=True)},
        {name: total * rng.random() for name in categories},
        rng.sample(names, rng.choice((0, 0, 1, 10, 60))),
    )


def named_once(build: Callable[[], Any], seed: int) -> Any:
    """What is built while the names of decisions are given by the seed, those of each variant another."""
    with mock.patch("secrets.token_urlsafe", side_effect=(f"name{seed}{letter}" for letter in ascii_lowercase)):
        return build()


class Scene:
    """Both cores over one shop, the time, and what was sent.

    Attributes:
        seen: counts what came about, over all acts.
    """

    def __init__(self, overrides: dict[str, dict[str, Any]], seed: int = 0) -> None:
        salt = {"variants_salt": str(seed)}  # so that every variant has its share of the few sessions
        self.settings = settings_of(overrides | {"bandit": overrides.get("bandit", {}) | salt})
        self.chooser = chooser_of(self.settings, seed)
        self._seed = seed
        self.twins: Twins = named_once(lambda: Twins(self.settings, self.chooser, seed), seed)
        self.now_ms, self._watermark_ms = T0, T0 - MINUTE
        self._sent: dict[str, list[bytes]] = {}
        self._examples: list[Example] = []
        self._crashes = 0
        self._ids = 0
        self.seen: Counter[str] = Counter()
        self.bundles: dict[str, Bundle] = {}
        self._odd_products: list[str] = [*ODD_NAMES, "gone0", "gone1"]

    def play(self, act: Act) -> None:
        """Let an act happen.

        Raises:
            AssertionError: the cores differ.
        """
        rng = Random(act.number)
        self.now_ms += rng.choice((1, 10, 700, 1_500, 30_000))
        self._watermark_ms = max(self._watermark_ms, self.now_ms - MINUTE)
        getattr(self, f"_{act.what}")(f"session-{act.session}", rng)

    def finish(self) -> None:
        """Add up what this scene's hosts have done."""
        host = self.twins.compiled
        self.seen.update(host.counts)
        self.seen.update({f"way: {way}": count for way, count in host.ways.items()})

    # the acts

    def _wait(self, session_id: str, rng: Random) -> None:
        if rng.random() < 0.3:
            self.now_ms += rng.choice((MINUTE, 20 * MINUTE, 2 * HOUR))

    def _event(self, session_id: str, rng: Random) -> None:
        self._send(session_id, self._any_event(session_id, rng))

    def _react(self, session_id: str, rng: Random) -> None:
        slate = self._slate(session_id, rng)
        if slate is None or not slate.product_ids:
            self._event(session_id, rng)
            return
        fields = self._fields(session_id, rng)
        products = rng.choices(slate.product_ids, k=rng.randint(1, 4))
        fields["product_id"] = products[0]
        what = rng.choice(("product_view", "product_view", "add_to_cart", "checkout", "thumb", "rating"))
        self._shape(fields, what, products, rng)
        if rng.random() < 0.5:
            fields["decision_id"] = slate.decision_id
        self._send(session_id, fields)

    def _impression(self, session_id: str, rng: Random) -> None:
        slate = self._slate(session_id, rng)
        fields = self._fields(session_id, rng)
        fields["event_type"] = "impression"
        shown = list(slate.product_ids[: rng.randint(1, 20)]) if slate is not None else []
        if rng.random() < 0.3:
            rng.shuffle(shown)
        if not shown or rng.random() < 0.2:
            shown.append(rng.choice(("p1", "nowhere")))
        fields["decision_id"] = slate.decision_id if slate is not None and rng.random() < 0.9 else "unknown"
        fields["shown"] = shown
        if slate is not None and rng.random() < 0.5:
            fields["timestamp"] = max(1, slate.published_at_ms + rng.choice((-5_000, 0, 100, 600, 3_000)))
            fields["timestamp"] = min(fields["timestamp"], self.now_ms)
        self._send(session_id, fields)

    def _again(self, session_id: str, rng: Random) -> None:
        sent = self._sent.get(session_id)
        if sent:
            self._run(Work(EVENT, session_id, rng.choice(sent), self.now_ms))

    def _odd(self, session_id: str, rng: Random) -> None:
        self._run(Work(EVENT, session_id, odd_payload(self._any_event(session_id, rng), rng), self.now_ms))

    def _extreme(self, session_id: str, rng: Random) -> None:
        fields = self._any_event(session_id, rng)
        c = rng.choice("rö店")
        most = 128 // len(c.encode())
        long = 62 // len(c.encode()) + rng.choice((0, 0, 0, 0, 1, 66))
        change = rng.randrange(9)
        if change == 0:
            fields["product_id"] = c * long
        elif change == 1:
            fields["category_id"] = c * long
        elif change == 2:
            count = rng.choice((23, 24, 25, 100))
            fields |= {"event_type": "checkout", "items": [{"product_id": f"b{n}"} for n in range(count)]}
        elif change == 3:
            slate = self._slate(session_id, rng)
            shown = [*(slate.product_ids if slate else ()), *(f"b{n}" for n in range(100))]
            fields |= {"event_type": "impression", "shown": shown[: rng.choice((39, 40, 41, 100))]}
            fields["decision_id"] = slate.decision_id if slate else "unknown"
        elif change == 4:
            fields["event_id"] = c * rng.choice((42, 43, 63, 64, 65))
        elif change == 5:
            fields |= {"region": c * (most - rng.choice((0, 0, 1))), "device": c * rng.choice((64, 127, 128, 129))}
        elif change == 6:
            fields["decision_id"] = c * (most - rng.choice((0, 0, 1)))
        elif change == 7:
            fields |= {"event_type": "search", "query": c * rng.choice((255, 256, 257))}
        else:
            fields["user_id"] = c * rng.choice((85, 128, 255, 256, 257))
        self._send(session_id, fields)

    def _timer(self, session_id: str, rng: Random) -> None:
        session = self._session(session_id)
        if session is None:
            return
        at_ms = session.timer_ms + rng.choice((-1, 0, 0, 0, HOUR))
        if rng.random() < 0.15:
            at_ms = session.newest_input_ms + self.settings.session.ttl_ms
        at_ms = self._sane(at_ms)
        self._watermark_ms = max(self._watermark_ms, at_ms)
        self.now_ms = max(self.now_ms, at_ms)
        self._run(Work(TIMER, session_id, b"", at_ms))

    def _pending(self, session_id: str, rng: Random) -> None:
        session = self._session(session_id)
        if session is not None and session.pending_ms:
            self.now_ms = max(self.now_ms, self._sane(session.pending_ms + rng.choice((-1, 0, 1_000))))
            self.seen["pending"] += self.now_ms >= session.pending_ms
        self._run(Work(PENDING, session_id, b"", self.now_ms))

    def _repeat(self, session_id: str, rng: Random) -> None:
        if self._session(session_id) is not None:
            self.seen["repeat"] += 1
        self._run(Work(REPEAT, session_id, b"", self.now_ms))

    def _crash(self, session_id: str, rng: Random) -> None:
        self.finish()
        held, self._crashes = self.twins.compiled.sessions, self._crashes + 1
        seed = self._seed + 1_000 * self._crashes
        host: CompiledHost = named_once(lambda: CompiledHost(self.settings, self.chooser, seed), seed)
        host.sessions = held
        level = self.twins.personalizer.publisher.overload.level
        self.twins.compiled, self.twins.personalizer = host, Personalizer(self.settings, self.chooser, SALT)
        for personalizer in (self.twins.personalizer, host.personalizer):
            personalizer.publisher.overload.level = level
        self.seen["crash"] += 1

    def _convert(self, session_id: str, rng: Random) -> None:
        session = self._session(session_id)
        if session is None:
            return
        sessions = self.twins.compiled.sessions
        data = packed(self.chooser, session_id, session) if rng.random() < 0.7 else session.encode()
        self.seen[f"converted to form {data[0]}"] += 1
        sessions[session_id] = data

    def _product(self, session_id: str, rng: Random) -> None:
        catalogue, number = self.chooser.catalogue, rng.randrange(PRODUCTS)
        for name in ODD_NAMES[1:]:
            catalogue.remove(name)
        change = rng.randrange(5)
        slate = self._slate(session_id, rng)
        if slate is not None and slate.product_ids and rng.random() < 0.3:
            catalogue.remove(rng.choice(slate.product_ids))
        elif change == 0:
            catalogue.remove(product_name(number))
        elif change == 1:
            catalogue.put(product(number, in_stock=False))
        elif change == 2:
            name = rng.choice(("gone0", "gone1", rng.choice(ODD_NAMES)))
            catalogue.put(Product(name, rng.choice((category_name(rng.randrange(9)), name)), price=1.0))
        elif change == 3:
            catalogue.put(msgspec.structs.replace(product(number), category_id=category_name(rng.randrange(9))))
        else:
            catalogue.put(product(number, price=rng.random() * 99))

    def _list(self, session_id: str, rng: Random) -> None:
        shelf = self.chooser.shelf
        plain = ("north", "south", "_all", "@category/c1", "@category/c2", "@moment/device:phone", "@moment/")
        key = rng.choice((*plain, "Süd", "東京", "@category/Möbel", "@moment/Wetter:schön"))
        if rng.random() < 0.15 and key != "@moment/":
            shelf.popularity.apply(key, None)
        elif key.startswith("@moment/"):
            moment = Moment(self.now_ms, 9_000, {category_name(n): rng.randint(1, 3_000) for n in range(CATEGORIES)})
            shelf.popularity.apply(key, moment.encode())
        else:
            names = rng.sample([*map(product_name, range(PRODUCTS)), *self._odd_products], 12)
            counted = Counted(
                500, [(name, 40 - n) for n, name in enumerate(names[:9])], [("c1", 30), (category_name(3), 9)]
            )
            trends = [(name, rng.randint(1, 50), rng.choice((0.1, 0.5, rng.random()))) for name in names[5:]]
            end_ms = self.now_ms // MINUTE * MINUTE - rng.choice((0, MINUTE, WINDOW, 2 * WINDOW))
            shelf.popularity.apply(key, listing(end_ms, WINDOW, counted, trends, 50).encode())

    def _together(self, session_id: str, rng: Random) -> None:
        session, together = self._session(session_id), self.chooser.shelf.together
        known = [p for event in session.recent.events for p in event.products] if session is not None else []
        of = rng.choice([*known, "p1", "p2"])
        kind = rng.choice(("bought", "viewed"))
        if rng.random() < 0.15:
            together.apply(list_key(kind, of), None)
        else:
            names = rng.sample([*map(product_name, range(PRODUCTS)), *self._odd_products, *known[-5:]], 8)
            pairs = [
                Pair(name, 9.0 - n + rng.random(), 5.0) for n, name in enumerate(dict.fromkeys(names)) if name != of
            ]
            together.apply(list_key(kind, of), encode_list(pairs))

    def _bundle(self, session_id: str, rng: Random) -> None:
        bundle_id, session = f"b{rng.randrange(12)}", self._session(session_id)
        if rng.random() < 0.15:
            self.chooser.shelf.bundles.remove(bundle_id)
            self.bundles.pop(bundle_id, None)
            return
        known = [product for event in session.recent.events for product in event.products] if session else []
        primary = rng.choice([*known, product_name(1), product_name(2), *self.bundles])
        others = [name for name in map(product_name, range(PRODUCTS)) if name != primary]
        items = rng.sample(others, rng.choice((1, 1, 2, 4, 20)))
        if rng.random() < 0.03:
            items[0] = rng.choice([name for name in self._odd_products if name != primary])
        until_ms = rng.choice((None, None, self.now_ms + MINUTE, self.now_ms - MINUTE, 2**64 - 1))
        bundle = Bundle(bundle_id, primary, items, rng.choice((0.0, 0.1, 0.1, rng.random(), 1.0)), until_ms)
        self.chooser.shelf.bundles.put(bundle)
        self.bundles[bundle_id] = bundle

    def _hint(self, session_id: str, rng: Random) -> None:
        """Tells of the session's user, which may choose a slate by chance: the Python core's session follows."""
        session, host = self._session(session_id), self.twins.compiled
        if session is None or not session.user:
            self._send(session_id, self._any_event(session_id, rng) | {"user_id": "ann"})
            return
        names = [*map(product_name, range(PRODUCTS)), "gone0", "never", *(ODD_NAMES if rng.random() < 0.04 else ())]
        hint = some_hint(session.user, names, rng)
        effect = host.personalizer.apply_hint(session, session_id, hint, self.now_ms)
        host.keep(session_id, effect.session)
        self.twins.sessions[session_id] = decode_session(host.sessions[session_id])
        self.seen.update(effect.counts)

    def _model(self, session_id: str, rng: Random) -> None:
        if self._examples:
            for model in {chooser.model for chooser in self.chooser.of_all_variants()}:
                some = (len(self._examples) + 1) // 2  # the first: a retraction follows what it takes back
                known = self._examples if model == self.chooser.model else self._examples[:some]
                self.chooser.use_model(predictor_of(known, DIMENSION, self.now_ms), model)
            self.seen["model"] += 1

    def _overload(self, session_id: str, rng: Random) -> None:
        level = Level(rng.randrange(3))
        for personalizer in (self.twins.personalizer, self.twins.compiled.personalizer):
            personalizer.publisher.overload.level = level
        self.seen[f"overload {level}"] += 1

    def _consent(self, session_id: str, rng: Random) -> None:
        """Withdraws or gives consent, or erases, which chooses a slate by chance: the Python core's session follows."""
        fields: dict[str, Any] = {"session_id": "session-9", "timestamp": self.now_ms - rng.choice((0, 5_000))}
        kind = rng.choice(("erase", "consent", "consent", None))
        if kind is None:
            self._send("session-9", self._any_event("session-9", rng))
            return
        fields["event_type"] = kind
        if kind == "consent":
            fields["granted"] = rng.random() < 0.7
        work = Work(EVENT, "session-9", msgspec.json.encode(fields), self.now_ms)
        self.twins.compiled.run([work], self.now_ms, self._watermark_ms)
        held = self.twins.compiled.sessions.get("session-9")
        if held is None:
            self.twins.sessions.pop("session-9", None)
        else:
            self.twins.sessions["session-9"] = decode_session(held)
        self.seen[kind] += 1

    # what they are made of

    def _any_event(self, session_id: str, rng: Random) -> dict[str, Any]:
        fields = self._fields(session_id, rng)
        what = rng.choice(
            ("product_view",) * 4
            + ("add_to_cart", "checkout", "category_view", "hover", "dwell", "search", "thumb", "rating")
        )
        number = rng.randrange(12) if rng.random() < 0.7 else rng.randrange(PRODUCTS)
        names = [product_name(number), *(product_name(rng.randrange(PRODUCTS)) for _ in range(rng.randint(0, 5)))]
        if rng.random() < 0.06:
            names[0] = rng.choice((*self._odd_products, "never", "ever ö"))
        if what == "checkout" and self.bundles and rng.random() < 0.7:
            names[1:] = [name for bundle in rng.choices([*self.bundles.values()], k=2) for name in bundle.products][:24]
        self._shape(fields, what, names, rng)
        if rng.random() < 0.1:
            fields["decision_id"] = rng.choice(("unknown", ""))
        return fields

    def _shape(self, fields: dict[str, Any], what: str, products: list[str], rng: Random) -> None:
        """Gives the event what its type needs, and sometimes more."""
        fields["event_type"] = "feedback" if what in ("thumb", "rating") else what
        fields["product_id"] = products[0]
        if what == "thumb":
            fields["feedback"] = {"kind": "thumb", "value": rng.choice((-1, 1))}
        elif what == "rating":
            fields["feedback"] = {"kind": "rating", "value": rng.choice((1, 2, 3, 4, 5, 4.5))}
        elif what == "checkout":
            fields["items"] = [{"product_id": name, "quantity": 2, "price": 9.99} for name in products[1:]]
            if rng.random() < 0.5 and len(products) > 1:
                del fields["product_id"]
            if rng.random() < 0.2:
                fields.pop("items")
                fields["product_id"] = products[0]
        elif what == "category_view":
            del fields["product_id"]
            fields["category_id"] = category_name(rng.choice((0, 1, 2, 3, 4, 11)))
        elif what == "dwell":
            fields["duration_ms"] = rng.choice((0, 1_500, 12.5))
        elif what == "search":
            del fields["product_id"]
            fields["query"] = rng.choice(("red shoes", "q" * 256, "grüne Schuhe", '27" Bildschirm \U0001f5a5', "靴"))
        if what != "category_view" and rng.random() < 0.3:
            fields["category_id"] = category_name(rng.choice((1, 3, 11, 12, 13)))

    def _fields(self, session_id: str, rng: Random) -> dict[str, Any]:
        fields: dict[str, Any] = {"session_id": session_id, "timestamp": self._time(session_id, rng)}
        kind = rng.randrange(5)
        self._ids += 1
        if kind == 0:
            fields["event_id"] = str(uuid.UUID(int=rng.getrandbits(128)))
        elif kind == 1:
            # one that comes again for another event; not after the first has left the log, when nobody knows what it had caused
            number = 9 if self.settings.session.max_events > FEW_EVENTS else self._ids
            canonical = str(uuid.UUID(int=0xAB0000 + number))
            fields["event_id"] = rng.choice((canonical, canonical.upper(), f"twice{number}", ""))
        elif kind < 4:
            fields["event_id"] = f"{rng.choice('azé')}{self._ids}"
        for name, values in (("region", REGIONS), ("user_id", USERS), ("device", DEVICES)):
            value = rng.choice(values)
            if value is not None and rng.random() < 0.5:
                fields[name] = value
        if rng.random() < 0.1:
            fields |= rng.choice(({"price": 3}, {"quantity": 1.5}, {"page": 'über "uns"\n'}, {"referrer": 7}, NOTHING))
        if rng.random() < 0.1:
            fields["context"] = rng.choice(CONTEXTS)
        return fields

    def _time(self, session_id: str, rng: Random) -> int:
        """Mostly now; sometimes late, the time of another event, or beyond what is accepted."""
        way, session = rng.random(), self._session(session_id)
        if way < 0.6:
            return self.now_ms - rng.choice((0, 0, 5, 300))
        if way < 0.75 and session is not None and session.recent.events:
            return rng.choice(session.recent.events).timestamp_ms
        if way < 0.95:
            return self.now_ms - rng.randrange(20 * MINUTE)
        return self.now_ms + rng.choice((-47 * HOUR, -50 * HOUR, 200_000, 10 * MINUTE, -self.now_ms))

    def _sane(self, time_ms: int) -> int:
        """A time of a session, which may be damaged, as one that the clock can show: in some days at most."""
        return max(0, min(time_ms, self.now_ms + 10 * 24 * HOUR))

    def _send(self, session_id: str, fields: dict[str, Any]) -> None:
        is_escaped = self._ids % 3 == 0  # as many writers of JSON do
        payload = json.dumps(fields).encode() if is_escaped else msgspec.json.encode(fields)
        self._sent.setdefault(session_id, []).append(payload)
        self._run(Work(EVENT, session_id, payload, self.now_ms))

    def _run(self, work: Work) -> None:
        before = self.twins.compiled.ways.copy()
        self.twins.run([work], self.now_ms, self._watermark_ms)
        told = self.twins.compiled.told.get(0)
        ways = self.twins.compiled.ways - before
        is_compiled = ways["compiled"] > 0
        if told is not None:
            self._examples += told.examples
            self.seen["examples"] += len(told.examples)
            proposes = told.profile is not None and b'"bundled_discount_suggestions":[{' in told.profile
            self.seen[f"proposed: {'python' if told.by_python else 'compiled'}"] += proposes
        session = self.twins.sessions.get(work.session_id)
        if session is not None:
            self.seen["credited"] += any(event.credited for event in session.recent.events)
            self.seen["evicted"] += session.recent.horizon[0] > 0
            self.seen["from bundles"] += any(BUNDLES in (slate.sources or b"") for slate in session.slates)
            for way in ("compiled", "python"):  # neither where an input comes to nothing
                took = ways[way] > 0
                self.seen[f"with a bundle: {way}"] += took and any(event.bundles for event in session.recent.events)
                self.seen[f"with a hint: {way}"] += took and bool(session.hint)
        if is_compiled:
            kind = msgspec.json.decode(work.payload)["event_type"] if work.kind == EVENT else str(work.kind)
            self.seen[f"compiled: {kind}"] += 1
            self.seen["compiled: beyond ASCII"] += not work.payload.isascii()
            self.seen["compiled: escaped"] += b"\\u" in work.payload
            self.seen["compiled: context"] += b'"context"' in work.payload

    def _session(self, session_id: str) -> Session | None:
        data = self.twins.compiled.sessions.get(session_id)
        return None if data is None else decode_session(data)

    def _slate(self, session_id: str, rng: Random) -> Any:
        session = self._session(session_id)
        return rng.choice(session.slates) if session is not None and session.slates else None
