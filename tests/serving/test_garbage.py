"""A worker's own collector: in a process of its own, whose heap holds nothing of other tests."""

import subprocess
import sys

PROGRAM = """
import asyncio
import gc
import weakref

from serving.garbage import NEVER, collected_rarely


class Node:
    def __init__(self):
        self.itself = self


async def main():
    async with collected_rarely(every_s=0.01):
        assert gc.get_threshold()[2] == NEVER
        gone = asyncio.Event()
        node = Node()
        weakref.finalize(node, gone.set)
        gc.collect()  # it is old now
        del node
        async with asyncio.timeout(60):
            await gone.wait()


before = gc.get_threshold()
asyncio.run(main())
assert gc.get_threshold() == before
assert gc.get_freeze_count() == 0
"""


def test_old_garbage_is_collected_by_the_clock_alone() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
