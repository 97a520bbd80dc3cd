"""What is known of the moment of an event. The twin is `state/events/moment.py`."""

from typing import Any

from state.kernels.core.layout import OFF_SCRATCH
from state.kernels.core.memory import core
from state.kernels.core.scanning import clipped
from state.kernels.core.text import put, put_byte

ENTRY = 0x1D
DAY_MS, QUARTER_MS = 86_400_000, 21_600_000
YEAR_MS, SEASON_MS, DECEMBER_MS = 31_556_952_000, 7_889_238_000, 31 * 86_400_000
"""A mean year, a quarter of it, and how long before its begin winter begins."""
ENTRY_CHARACTERS = 64
MOST_TOLD = 8
N_TIMES = 4
MOMENT_AT = 1_024
"""Where in the scratch the moment is written."""


@core
def put_moment(s: Any, w: Any) -> Any:
    """Write what is known of the event's moment into the scratch, entries with `ENTRY` between them; return the length."""
    begin = s.self_at + OFF_SCRATCH + MOMENT_AT
    part = int(s.e_ms % DAY_MS // QUARTER_MS)
    season = N_TIMES + (s.e_ms + DECEMBER_MS) % YEAR_MS // SEASON_MS % 4
    p = put_byte(put(begin, w.texts + w.moment_off[part], w.moment_len[part]), ENTRY)
    p = put(p, w.texts + w.moment_off[season], w.moment_len[season])
    if s.e_device_len:
        p = put_byte(p, ENTRY)
        head = w.moment_len[2 * N_TIMES]
        p = put(p, w.texts + w.moment_off[2 * N_TIMES], head)
        p = put(p, s.e_device, clipped(s.e_device, s.e_device_len, ENTRY_CHARACTERS - head))
    for i in range(min(s.e_n_context, MOST_TOLD)):
        first = put_byte(p, ENTRY)
        name, value = s.e_context[i, 0], s.e_context[i, 2]
        p = put_byte(put(first, name, clipped(name, s.e_context[i, 1], ENTRY_CHARACTERS)), 58)
        p = put(p, value, clipped(value, s.e_context[i, 3], ENTRY_CHARACTERS))
        p = first + clipped(first, p - first, ENTRY_CHARACTERS)
    return p - begin
