"""Where the whole job's time goes at full throughput: `python -m benchmarks.profile_job [--seconds S] [--set KEY=VALUE]…`.

Prints the CPU of every process, of the TaskManagers' threads, and of the Python functions and lines in the session operator.
The folder keeps all stacks as `taskmanager-N.txt`, which flame graph tools read. With `--calls` a clock around what the session
operator calls takes the place of the samples, see `benchmarks/timed.py`.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks import profiled, timed
from benchmarks.cpu import cpu_seconds, difference
from benchmarks.sampler import own_and_total, read_collapsed
from benchmarks.stack import Stack, benchmark_stack
from benchmarks.threads import busiest, thread_seconds
from benchmarks.throughput import APPLIED, Load, as_if_live, prepare
from benchmarks.window import watch
from operators.names import SESSION

LEAD = 15_000
LINES = 45


def main() -> None:
    """Profiles, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument(
        "--events", type=int, default=400_000, help="of the topic; must last for the lead and the seconds"
    )
    parser.add_argument("--task-managers", type=int, default=1)
    parser.add_argument("--calls", action="store_true", help="a clock around calls instead of samples of stacks")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/results/profile"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    options = parser.parse_args()
    folder: Path = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    os.environ[profiled.FOLDER_VARIABLE] = str(folder)
    with benchmark_stack(options.task_managers, options.sets) as stack:
        load = Load("profile", options.events, LEAD, options.seconds)
        prepare(stack, load)
        stack.start_job(
            f"kafka.topics.user_interactions={load.topic}",
            f"flink.parallelism={options.task_managers}",
            *as_if_live(load),
            *options.sets,
            entry=Path(timed.__file__ if options.calls else profiled.__file__),
        )
        _observe(stack, options.seconds, options.task_managers, folder)
        stack.stop_job()
    if options.calls:
        return
    for file in sorted(folder.glob("*.txt")):
        _print_python(file)
    print(f"\nall stacks are in {folder}")


def _observe(stack: Stack, seconds: float, task_managers: int, folder: Path) -> None:
    workers = {name: pid for name, pid in stack.processes.items() if name.startswith("taskmanager")}

    def mark() -> tuple[dict[str, float], dict[str, dict[str, float]], dict[str, float]]:
        (folder / "go").touch()
        threads = {name: thread_seconds(pid) for name, pid in workers.items()}
        return cpu_seconds(stack.processes), threads, timed.read_calls(folder)

    window = watch(stack.progress(SESSION, APPLIED), LEAD, sys.maxsize, seconds, mark)
    (cpu, threads, calls), (cpu_after, threads_after, calls_after) = window.before, window.after
    events, took, used = window.events, window.seconds, difference(cpu, cpu_after)
    print(f"{events:,} events in {took:.1f} s: {events / took:,.0f} events/s; CPU s: {json.dumps(used)}")
    for name in workers:
        print(f"\n{name}: thread, CPU s, CPU µs per event")
        for thread, thread_s in busiest(threads[name], threads_after[name]):
            print(f"  {thread:20} {thread_s:7.2f} {thread_s / max(1, events) * task_managers * 1e6:8.0f}")
    (folder / "go").unlink()
    if calls:
        print("\nCPU of what the session operators call, by event")
        timed.print_calls(calls, calls_after, events)


def _print_python(file: Path) -> None:
    stacks = read_collapsed(file.read_text(encoding="utf-8"))
    samples = stacks.pop(("all samples",), 0)
    own, total = own_and_total(stacks, "operators/session/operator.py")
    print(
        f"\n{file.stem}: share of {samples} samples that were in a function and all it calls, below the session operator"
    )
    for name, count in total.most_common(LINES):
        print(f"  {count / samples:6.1%} {name}")
    print("\n  … and at a line itself")
    for name, count in own.most_common(LINES):
        print(f"  {count / samples:6.1%} {name}")


if __name__ == "__main__":
    main()
