"""Drawings on a field of 100 by 100, by the last word of a title or by category. Fill and stroke come from the picture."""

from hashlib import blake2b
from importlib.resources import files

import msgspec

MOTIFS: dict[str, str] = msgspec.json.decode(
    files("serving.pages").joinpath("templates", "motifs.json").read_bytes(), type=dict[str, str]
)
"""The one without a name is for everything else."""
_HUES = {
    "audio": 228,
    "bags": 28,
    "bath": 190,
    "books": 350,
    "coffee": 30,
    "cycling": 205,
    "garden": 120,
    "kitchen": 12,
    "lighting": 46,
    "outdoor": 158,
    "stationery": 268,
    "toys": 318,
}


def hue_of(category_id: str) -> int:
    """Return a category's hue in degrees; of one that is not the demo's, by its name."""
    if category_id in _HUES:
        return _HUES[category_id]
    return int.from_bytes(blake2b(category_id.encode(), digest_size=2).digest(), "big") % 360
