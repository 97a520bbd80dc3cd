import asyncio
import gc
import weakref

from serving.garbage import NEVER, collected_rarely


class Node:
    """One end of a cycle."""

    def __init__(self) -> None:
        self.itself = self


def test_old_garbage_is_collected_by_the_clock_alone() -> None:
    async def test() -> None:
        async with collected_rarely(every_s=0.01):
            assert gc.get_threshold()[2] == NEVER
            gone = asyncio.Event()
            node = Node()
            weakref.finalize(node, gone.set)
            gc.collect()  # it is old now
            del node
            async with asyncio.timeout(30):
                await gone.wait()

    before = gc.get_threshold()
    asyncio.run(test())
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
