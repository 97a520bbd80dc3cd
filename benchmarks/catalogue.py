"""How fast a large catalogue goes through the job, what it costs in memory, and how soon a change is shown_s.

`python -m benchmarks.catalogue --products 1300000` starts a stack with RocksDB, writes the products, starts the job and waits until
the lists of all categories are complete; then it changes and removes single products while nothing else happens. With `--file` it
only writes the products as JSON lines. The generator is seeded: categories by Zipf's law, about half of the products rated,
prices log-normal.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from kafka import KafkaProducer

from benchmarks.lists import LOOK_EVERY_S, Lists
from benchmarks.preload import preload
from benchmarks.stack import Stack, benchmark_stack
from state.catalogue.assortment.records import CategoryRecord

CATEGORIES = 248
ZIPF_EXPONENT = 1.0
UNRATED_SHARE = 0.5
NEWEST_MS = 1_763_596_800_000
AGE_MS = 730 * 86_400_000
AT_ONCE = 50_000
CHANGES = 20
PATIENCE_S = 60.0


def products(count: int, seed: int = 0, categories: int = CATEGORIES) -> Iterator[dict[str, Any]]:
    """So many products in random order of categories."""
    rng = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, categories + 1) ** ZIPF_EXPONENT
    for first in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - first)
        category = rng.choice(categories, size=size, p=shares / shares.sum()).tolist()
        price = np.round(rng.lognormal(3.2, 1.1, size), 2).tolist()
        rating = np.round(np.clip(rng.normal(4.1, 0.6, size), 1, 5), 1).tolist()
        reviews = np.ceil(rng.lognormal(3.5, 1.6, size)).astype(int).tolist()
        created = (NEWEST_MS - rng.integers(AGE_MS, size=size)).tolist()
        unrated = (rng.random(size) < UNRATED_SHARE).tolist()
        for at in range(size):
            product: dict[str, Any] = {
                "product_id": f"B{first + at:09d}",
                "category_id": f"category-{category[at]:03d}",
                "title": f"Product number {first + at}, as long as titles in a shop are, of category {category[at]}",
                "price": price[at],
                "created_at": created[at],
            }
            if not unrated[at]:
                product |= {"rating": rating[at], "rating_count": reviews[at]}
            yield product


def memory_mb(pid: int) -> dict[str, int]:
    """Resident memory of a process now and at its peak."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return {name: int(status[key].split()[0]) // 1_024 for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}


def load(stack: Stack, lists: Lists, count: int) -> dict[str, Any]:
    """Waits until the lists know of all products; the rate is counted from the first that they tell of."""
    started = begun = time.monotonic()
    first, shown_s = 0, 0.0
    while lists.products < count:
        lists.gather(LOOK_EVERY_S)
        now = time.monotonic()
        if not first and lists.products:
            first, begun = lists.products, now
        if now - shown_s > 2:
            shown_s = now
            print(f"{now - started:6.0f} s  {lists.products:>9,} products, {memory(stack)}", flush=True)
    took = time.monotonic() - begun
    return {
        "products": count,
        "seconds": round(took, 1),
        "seconds_from_start": round(time.monotonic() - started, 1),
        "products_per_second": round((count - first) / max(took, 1e-9)),
        "list_records": lists.records,
        "list_mb": round(lists.bytes / 2**20, 1),
        "memory_mb": memory(stack),
    }


def memory(stack: Stack) -> dict[str, dict[str, int]]:
    """Of each TaskManager."""
    return {name: memory_mb(pid) for name, pid in stack.processes.items() if name.startswith("taskmanager")}


def change(stack: Stack, lists: Lists, topic: str) -> dict[str, list[float]]:
    """Seconds from sending to the list that shows it, for changed and for removed products, in turn."""
    producer = KafkaProducer(bootstrap_servers=stack.kafka, linger_ms=0)
    taken: dict[str, list[float]] = {"changed_s": [], "removed_s": []}
    for number, category_id in enumerate(sorted(lists.categories)[:CHANGES]):
        product_id = lists.categories[category_id].product_ids[0]
        product = {"product_id": product_id, "category_id": category_id, "rating": 5.0, "rating_count": 10**6 + number}
        for name, value in (("changed_s", json.dumps(product).encode()), ("removed_s", None)):
            before = lists.categories[category_id]
            sent = time.monotonic()
            producer.send(topic, key=product_id.encode(), value=value).get(30)
            while not _shows(lists.categories[category_id], before, product_id, value is None):
                if time.monotonic() - sent > PATIENCE_S:
                    raise TimeoutError(f"{product_id} of {category_id} was not {name.removesuffix('_s')}")
                lists.poll(10)
            taken[name].append(round(time.monotonic() - sent, 3))
    producer.close()
    return taken


def _shows(record: CategoryRecord, before: CategoryRecord, product_id: str, is_removed: bool) -> bool:
    if is_removed:
        return product_id not in record.product_ids
    return record.version > before.version and record.product_ids[0] == product_id


def main() -> None:
    """Writes a file, or measures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalogue", description=__doc__)
    parser.add_argument("--products", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task-managers", type=int, default=1)
    parser.add_argument("--file", type=Path, help="write JSON lines there instead")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    options = parser.parse_args()
    listing = products(options.products, options.seed)
    if options.file is not None:
        with options.file.open("wb") as file:
            file.writelines(msgspec.json.encode(product) + b"\n" for product in listing)
        return
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the stack is stopped
    with benchmark_stack(options.task_managers, ["flink.state_backend=rocksdb", *options.sets]) as stack:
        topics = stack.settings.kafka.topics
        count = preload(stack, topics.products, ((p["product_id"].encode(), msgspec.json.encode(p)) for p in listing))
        print(f"{count:,} products are in the topic", flush=True)
        stack.start_job(*options.sets)
        lists = Lists(stack)
        result = load(stack, lists, count) | change(stack, lists, topics.products)
        result |= {"checkpoint": stack.last_checkpoint(), "memory_at_end_mb": memory(stack)}
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
