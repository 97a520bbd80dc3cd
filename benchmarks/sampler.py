"""Where Python spends its time, by looking at every thread's stack each few milliseconds; nothing is traced, little is slowed.

A sample is taken when the sampler gets the interpreter's lock, so it can be off by one switch of threads (0.5 ms in the job).
"""

import sys
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

INTERVAL_S = 0.005
WRITE_EVERY = 200
"""Samples between two looks at the folder: a second."""

Stack = tuple[str, ...]


class Sampler(threading.Thread):
    """Counts stacks while the file `go` lies in `folder`, and writes them there as `NAME.txt`, one line `a;b;c count` each.

    That is the form which flame graph tools read. The first frame is the name of the function that the thread began with; the last
    one has the line that it was at.
    """

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(daemon=True, name=f"sampler-{name}")
        self._folder = folder
        self._file = folder / f"{name}.txt"
        self._stacks: Counter[Stack] = Counter()
        self._stopped = threading.Event()
        self.samples = 0

    def run(self) -> None:
        """Samples until `stop`."""
        while not self._stopped.is_set():
            going = (self._folder / "go").exists()
            for _ in range(WRITE_EVERY):
                if self._stopped.wait(INTERVAL_S):
                    break
                if going:
                    self._sample()
            if going:
                self._write()

    def stop(self) -> None:
        """Writes what is there, and ends."""
        self._stopped.set()
        self.join()
        if self._stacks:
            self._write()

    def _sample(self) -> None:
        own = threading.get_ident()
        self.samples += 1
        self._stacks[("all samples",)] = self.samples
        for thread, frame in sys._current_frames().items():
            if thread != own:
                self._stacks[stack_of(frame)] += 1

    def _write(self) -> None:
        temporary = self._file.with_suffix(".part")
        temporary.write_text(collapsed(self._stacks), encoding="utf-8")
        temporary.replace(self._file)


def stack_of(frame: FrameType | None) -> Stack:
    """The functions of a stack, outermost first, the last with its line."""
    names: list[str] = []
    while frame is not None:
        code = frame.f_code
        place = "/".join(Path(code.co_filename).parts[-2:])
        line = f":{frame.f_lineno}" if not names else ""
        names.append(f"{place}:{code.co_qualname}{line}")
        frame = frame.f_back
    return tuple(reversed(names))


def collapsed(stacks: Mapping[Stack, int]) -> str:
    """One line for each stack, the most frequent first."""
    ordered = sorted(stacks.items(), key=lambda item: (-item[1], item[0]))
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in ordered)


def read_collapsed(text: str) -> Counter[Stack]:
    """The inverse of `collapsed`."""
    stacks: Counter[Stack] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        stacks[tuple(stack.split(";"))] += int(count)
    return stacks


def own_and_total(stacks: Mapping[Stack, int], containing: str) -> tuple[Counter[str], Counter[str]]:
    """Samples by the line that was at work, and by function with all that it called, of stacks with `containing` in a frame."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for stack, count in stacks.items():
        if any(containing in name for name in stack):
            own[stack[-1]] += count
            last = stack[-1].rpartition(":")[0]
            total.update(dict.fromkeys((*stack[:-1], last), count))
    return own, total
