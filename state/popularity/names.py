"""Names of the lists: keys of the topic `popularity`.

A region goes by its own name. What is not a region begins with one of these; a visitor's region of such a name is counted in the
whole alone.
"""

from typing import Final

WHOLE: Final = "_all"
"""The list over all regions, and what has none."""

RESERVED: Final = "@"
"""Begins every name that is not a region's, but the whole's."""

CATEGORY: Final = "@category/"
"""Begins the name of a category's list, over all regions."""

MOMENT: Final = "@moment/"
"""Begins the key of what is counted at a moment; that of all moments together has nothing more."""


def is_region(name: str) -> bool:
    """Return whether a list is a region's or the whole."""
    return not name.startswith(RESERVED)
