"""A session whose state is damaged is the Python core's to judge; those beside it never notice."""

import msgspec

from state.configuration import Settings
from state.core.batch_core import Found, Work
from state.kernels.core.layout import EVENT
from tests.state.core.scene import chooser_of
from tests.state.core.twin import CompiledHost
from tests.state.shop import MINUTE, T0


class Judged(CompiledHost):
    """A host that keeps whose inputs are left to the Python core, and whose profiles are made."""

    left: list[str]
    made: list[str]

    def carry_out(self, work: Work, found: Found) -> None:
        """See `Host`."""
        if found.profile:
            self.made.append(work.session_id)

    def apply_by_python(self, work: Work) -> None:
        """See `Host`."""
        self.left.append(work.session_id)

    def publish_by_python(self, work: Work) -> None:
        """See `Host`."""
        self.left.append(work.session_id)


def event(session_id: str, event_type: str, at_ms: int, **fields: str) -> Work:
    given = {"session_id": session_id, "event_type": event_type, "timestamp": at_ms, **fields}
    return Work(EVENT, session_id, msgspec.json.encode(given), at_ms)


def test_a_name_that_is_no_text_is_left_to_the_python_core() -> None:
    """The moment of the newest event is asked for by its names."""
    settings = Settings()
    host = Judged(settings, chooser_of(settings, 1, products=20, odd_names=False), 1)
    host.left, host.made = [], []
    sessions = ("harmed", "well")
    host.run([event(name, "product_view", T0, product_id="p1") for name in sessions], T0, 0)
    assert (host.made, host.left) == (["harmed", "well"], [])
    host.sessions["harmed"] = host.sessions["harmed"].replace(b"time:", b"tim\xf6:")
    host.made.clear()
    host.world.lists.clear()
    now_ms = T0 + MINUTE
    host.run([event(name, "search", T0 - 1, query="kettle") for name in sessions], now_ms, 0)
    assert (host.made, host.left) == (["well"], ["harmed"])
