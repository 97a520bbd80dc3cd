"""Inputs that no shop should send: seeded."""

import json
import random
import time

from tests.faults.world import World


def hostile(count: int, seed: int) -> list[bytes | None]:
    """Records that are no events, each for another reason, most of them near to one."""
    rng = random.Random(seed)
    now = time.time_ns() // 1_000_000
    good = {"session_id": "s", "event_type": "product_view", "timestamp": now, "product_id": "p", "event_id": "e"}

    def but(**fields: object) -> bytes:
        return json.dumps(good | fields).encode()

    def without(name: str) -> bytes:
        return json.dumps({key: value for key, value in good.items() if key != name}).encode()

    text = but()
    makers = (
        lambda: text[: rng.randrange(1, len(text))],
        lambda: bytes(rng.randrange(256) for _ in range(rng.randrange(1, 200))),
        lambda: without(rng.choice(("session_id", "event_type", "timestamp", "product_id"))),
        lambda: but(timestamp=rng.choice(("now", -1, 1.5, None, [], 10**30, True))),
        lambda: but(timestamp=now + rng.randrange(400_000, 10**9)),
        lambda: but(session_id=rng.choice(("", "x" * 129, "a\u0000b", "s\ud83d", 7, None, ["s"]))),
        lambda: but(event_type=rng.choice(("", "Product_View", "drop table", 1, None))),
        lambda: but(product_id=rng.choice(("", "p" * 129, {}, 1, "p\ud83d"))),
        lambda: b"[" * rng.randrange(1, 2_000),
        lambda: json.dumps([good]).encode(),
        lambda: b'"' + b"z" * rng.randrange(70_000, 90_000) + b'"',
        lambda: b"\xff\xfe" + text,
        lambda: None,
        lambda: b"",
    )
    return [makers[number % len(makers)]() for number in range(count)]


def send_hostile(world: World, count: int = 424, seed: int = 9) -> None:
    """All of them, under one key: none is of a session."""
    for value in hostile(count, seed):
        world.shop.queue(value, b"nobody", "user_interactions")
    world.shop.flush()


def send_half_garbage(world: World, count: int = 2_000, seed: int = 5) -> None:
    """One line after the other good and bad."""
    for value in hostile(count, seed):
        session = world.shop.session()
        world.shop.queue(_view(session, "thing-1"), session.encode(), "user_interactions")
        world.shop.queue(value, session.encode(), "user_interactions")
    world.shop.flush()


def send_hot_session(world: World, count: int = 3_000, seed: int = 6) -> None:
    """One session with all of the traffic, every tenth event twice. It says what it sees, and sees nothing."""
    rng, session = random.Random(seed), world.shop.session()
    shown = _event(session, event_type="impression", decision_id="none", shown=["nothing"])
    world.shop.raw(shown, session.encode())
    for _ in range(count):
        value = _view(session, f"thing-{rng.randrange(12)}")
        for _ in range(1 + (rng.random() < 0.1)):
            world.shop.queue(value, session.encode(), "user_interactions")
    world.shop.flush()


def send_clock_jumps(world: World) -> None:
    """Events of clocks that are wrong: by minutes and hours, both ways."""
    hour = 3_600_000
    for offset_ms in (240_000, 360_000, 10 * hour, -hour, -47 * hour, -49 * hour, -1_000 * hour):
        session = world.shop.session()
        world.shop.queue(_view(session, "thing-2", offset_ms), session.encode(), "user_interactions")
    world.shop.flush()


def send_bad_models(world: World, count: int = 60, seed: int = 8) -> None:
    """Records of the model's topic that are none: the newest true ones cut short, with bytes changed, and noise."""
    rng, topic = random.Random(seed), world.stack.settings.kafka.topics.bandit_model
    known = [record.value for record in world.shop.records_to_end(topic) if record.value][-count:]
    for number, value in enumerate(known):
        changed = bytearray(value)
        for _ in range(rng.randrange(1, 5)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        bad = (bytes(changed[: rng.randrange(len(changed))]), rng.randbytes(80), b"")[number % 3]
        world.shop.queue(bad, b"MODEL+" if number % 2 else b"MODEL", topic)
    world.shop.flush()


def _view(session: str, product: str, offset_ms: int = 0) -> bytes:
    return _event(session, offset_ms, event_type="product_view", product_id=product, category_id="shelf-1")


def _event(session: str, offset_ms: int = 0, **fields: object) -> bytes:
    number = time.time_ns()
    event = {"session_id": session, "timestamp": number // 1_000_000 + offset_ms, "event_id": f"{session}-{number}"}
    return json.dumps(event | fields).encode()
