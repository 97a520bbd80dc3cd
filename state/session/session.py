"""Everything that is held of a session, and its form in Flink's state."""

from functools import cached_property

import msgspec

from state.codec import reading
from state.session.consent import Consent
from state.session.exposure import Exposure
from state.session.recent_events import RecentEvents
from state.session.slate import Slate

VERSION = b"\x01"
"""Of this form: see `state/session/forms.py`."""
SLATES_KEPT = 2
_NO_SLATES = msgspec.Raw(msgspec.msgpack.encode([]))


class Session(msgspec.Struct, array_like=True, dict=True):
    """A session. Times in ms since the epoch.

    `generation` is the Kafka time of the record that created it, `applied` the inputs applied since (also the profile's version).
    `newest_input_ms` is the newest event time of any input, kept or not; `timer_ms` the event-time timer that is set, 0 for none.
    `pending_ms` is the wall-clock time of a pending publication, 0 for none, and `pending_cause` the digest of the event that asks
    for a new slate by then, empty where the same slate will do. The last publication was at `updated_at_ms`.
    `region` and `moment` are the newest event's that told, `user` is the hash of the user's id, and `hint` what is known of that
    user from elsewhere, empty while that has not come. `shown` says how often each product was seen since its last reward, as
    `state/session/shown.py` counts. `packed_slates` are the slates as they are stored: most of a session's bytes, and many an
    input needs none of them. `shop_order` is what the shop itself showed last, kept where lists begin with its order.
    """

    generation: int
    recent: RecentEvents
    consent: Consent
    applied: int = 0
    duplicates: int = 0
    dropped: int = 0
    updated_at_ms: int = 0
    newest_input_ms: int = 0
    timer_ms: int = 0
    sends_impressions: bool = False
    packed_slates: msgspec.Raw = _NO_SLATES
    exposures: list[Exposure] = []
    pending_ms: int = 0
    pending_cause: bytes = b""
    region: str = ""
    moment: list[str] = []
    user: str = ""
    hint: bytes = b""
    shown: dict[str, int] = {}
    shop_order: list[str] = []

    @classmethod
    def begin(cls, generation: int) -> "Session":
        """Return a session of which nothing is known."""
        return cls(generation=generation, recent=RecentEvents(), consent=Consent())

    @cached_property
    def slates(self) -> list[Slate]:
        """The slates that are kept, oldest first; what is changed of them is stored."""
        with reading("a session's slates"):
            return _slates.decode(self.packed_slates)

    def slate(self, decision_id: str) -> Slate | None:
        """Return the kept slate of that decision."""
        return next((slate for slate in self.slates if slate.decision_id == decision_id), None)

    def encode(self) -> bytes:
        """Return versioned bytes for Flink's state, which `decode_session` reads."""
        opened = self.__dict__.get("slates")
        if opened is not None:
            self.packed_slates = msgspec.Raw(_encoder.encode(opened))
        return VERSION + _encoder.encode(self)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Session)
_slates = msgspec.msgpack.Decoder(list[Slate])


def unpack_session(data: bytes) -> Session:
    """Return the session of what stands behind the version byte.

    Raises:
        msgspec.DecodeError: the bytes are damaged.
    """
    return _decoder.decode(data)
