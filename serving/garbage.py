"""When a worker looks for garbage in cycles: rarely, so that nobody waits for it.

Ten thousand open streams are 650,000 objects, and to look at all of them takes 0.3 s, in which the worker answers nobody. Python
does so whenever a quarter more has come, with streams that come and go every half minute. Streams leave no cycles: of 6,000 that
had ended a full collection found none. So only young objects are looked at as usual, and all of them every ten minutes.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

YOUNG, MIDDLE = 2_000, 20
NEVER = 1_000_000_000
EVERY_S = 600.0


@asynccontextmanager
async def collected_rarely(every_s: float = EVERY_S) -> AsyncIterator[None]:
    """Keep to this for as long as the block lasts. What lives when it begins, such as modules, is never looked at."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    collecting = asyncio.create_task(_collect(every_s))
    try:
        yield
    finally:
        collecting.cancel()
        gc.set_threshold(*before)
        gc.unfreeze()


async def _collect(every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        gc.collect()
