"""Texts beyond ASCII, with escapes and with none: both cores take the same for text, and the compiled one leaves few to Python."""

import json

import msgspec
import pytest

from state.core.batch_core import Work
from state.kernels.core.layout import EVENT
from tests.state.core.odd import CONTEXTS, TEXTS
from tests.state.core.scene import Scene, category_name, product_name
from tests.state.shop import MINUTE

EDGES = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
_LEADING = range(0x80, 0x100)
SEQUENCES = [
    *(bytes((first, second)) for first in _LEADING for second in EDGES),
    *(bytes((first, second, third)) for first in _LEADING for second in EDGES for third in (0x7F, 0x80, 0xBF, 0xC0)),
    *(
        bytes((first, second, 0x80, fourth))
        for first in range(0xEF, 0xF6)
        for second in EDGES
        for fourth in (0x7F, 0x80, 0xBF, 0xC0)
    ),
]


def send(scene: Scene, fields: bytes) -> bool:
    """Send an event with such fields to both cores; return whether it was applied, and not by the Python core."""
    scene.now_ms += 1
    head = b'{"session_id":"s","event_type":"search","timestamp":%d,' % scene.now_ms
    before = scene.twins.compiled.ways["compiled"]
    scene.twins.run([Work(EVENT, "s", head + fields + b"}", scene.now_ms)], scene.now_ms, scene.now_ms - MINUTE)
    return scene.twins.compiled.ways["compiled"] > before


def is_text(sequence: bytes) -> bool:
    try:
        sequence.decode()
    except UnicodeDecodeError:
        return False
    return b'"' not in sequence and all(c >= 32 for c in sequence)


def test_utf8_is_what_python_takes_for_it() -> None:
    scene, taken = Scene({}), 0
    for sequence in SEQUENCES:
        was_taken = send(scene, b'"query":"q' + sequence + b'"')
        assert was_taken == is_text(sequence), sequence
        taken += was_taken
    assert 100 < taken < len(SEQUENCES) // 2


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("field", ["query", "region", "event_id", "unknown"])
def test_escapes_are_what_python_takes_for_them(field: str, text: bytes) -> None:
    scene = Scene({})
    payload = b'"query":"q","%s":"a%sb"' % (field.encode(), text)
    was_taken = send(scene, payload)
    try:
        found = msgspec.json.decode(b"{" + payload + b"}", type=dict[str, str])[field]
    except (msgspec.DecodeError, UnicodeDecodeError):
        assert not was_taken
        return
    has_place = not any(c in '"\\' or ord(c) < 32 for c in found)
    assert was_taken == (has_place or field in ("query", "unknown"))


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_is_what_python_takes_for_it(context: bytes) -> None:
    scene = Scene({})
    send(scene, b'"query":"q","context":' + context)


def test_a_shop_beyond_ascii_is_served_by_the_compiled_core() -> None:
    scene = Scene({})
    for number in range(200):
        scene.now_ms += 500
        session_id = f"Sitzung-ü{number % 3}"
        fields = {
            "session_id": session_id,
            "event_type": "product_view",
            "timestamp": scene.now_ms,
            "event_id": f"é{number}",
            "product_id": product_name(10 + number % 40),
            "category_id": category_name(3 + number % 2),
            "region": "Süd",
            "device": "téléphone",
            "user_id": "jürgen",
            "context": {"Wetter": "schön", "Grad": 12.5},
        }
        payload = json.dumps(fields).encode() if number % 2 else msgspec.json.encode(fields)
        work = Work(EVENT, session_id, payload, scene.now_ms)
        scene.twins.run([work], scene.now_ms, scene.now_ms - MINUTE)
    ways = scene.twins.compiled.ways
    assert ways["compiled"] >= 200
    assert ways["python"] == ways["python publication"] == 0
