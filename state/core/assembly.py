"""The compiled core put together for one task: its world, its lists, and the caller of both."""

import numpy as np

from state.core.batch_core import BatchCore, Host
from state.core.resolving import Resolver
from state.core.world import World
from state.personalizer import Personalizer
from state.profile.trends import Trends

ADMISSIONS_LAST = 8
"""An admission is asked for again after such a part of popularity's window."""


def batch_core(personalizer: Personalizer, rng: np.random.Generator, salt: bytes, host: Host) -> BatchCore:
    """Return the compiled core over what the personalizer knows: its configuration, catalogue, lists and models."""
    settings, chooser = personalizer.settings, personalizer.chooser
    world = World(settings, chooser, rng)
    resolver = Resolver(
        world.lists,
        chooser.shelf,
        Trends(chooser.catalogue, settings.profile.trends),
        (personalizer.regions, personalizer.categories_admitted),
        settings.popularity.window_ms // ADMISSIONS_LAST,
        salt,
    )
    return BatchCore(world, resolver, host)
