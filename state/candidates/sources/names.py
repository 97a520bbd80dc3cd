"""The named sources of candidates. A number of a source is its place in `SOURCES`."""

from typing import Final

OWN: Final = 0
BEST_RATED: Final = 1
MOST_VIEWED: Final = 2
NEWEST: Final = 3
POPULAR: Final = 4
TRENDING: Final = 5
BOUGHT_TOGETHER: Final = 6
VIEWED_TOGETHER: Final = 7
BUNDLES: Final = 8
USER_LISTS: Final = 9
RANDOM: Final = 10
RULES: Final = 11
EXPECTED: Final = 12

SOURCES: Final = (
    "own",
    "best_rated",
    "most_viewed",
    "newest",
    "popular",
    "trending",
    "bought_together",
    "viewed_together",
    "bundles",
    "user_lists",
    "anywhere",
    "rules",
    "expected",
)
"""As the configuration names them, except `rules`: what a rule of the shop wants."""

BY_CATEGORY: Final = (BEST_RATED, MOST_VIEWED, NEWEST)
"""Sources that give of categories: those that the session likes, or where it likes none those that are liked in its region."""

OF_THE_SESSION: Final = (OWN, BOUGHT_TOGETHER, VIEWED_TOGETHER, BUNDLES, USER_LISTS)
"""Sources that are personal whatever the categories."""
