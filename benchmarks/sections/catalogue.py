"""A catalogue of more than a million products against the small one of the traffic: the same events, the same rules.

On a stack of its own (`STACK`), whose TaskManager has its memory divided for RocksDB and no log of changes, as `up` gives it. On
one that was made for state on the heap RocksDB has a tenth of the memory, and with a hundred tables of a megabyte each writes every
few records to a file of their own: its threads then take more than the job.
"""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks import catalogue as large
from benchmarks.latency import measure
from benchmarks.lists import await_catalogue
from benchmarks.preload import load_catalogue, preload
from benchmarks.sections import Bench
from benchmarks.summary import Figures, column, ratios, row
from benchmarks.throughput import APPLIED, Load, as_if_live, published, watch_run
from benchmarks.traffic import PRODUCTS, SPAN_MS, messages, traffic
from operators.names import SESSION

EVENTS, LEAD = 60_000, 10_000
SETTLE_S = 3.0
RATE = 250
"""Events/s at which latency is measured: what RocksDB keeps up with next to its checkpoints."""
WARM_UP_S = 60.0
"""Until the JVM has compiled what live events need, which takes it half a core."""
STACK = ("flink.state_backend=rocksdb",)


def run(bench: Bench) -> Figures:
    """In turn with each catalogue: loads it into a new job, sends events as fast as they go, then at the same rate for both."""
    runs: dict[str, list[dict[str, Any]]] = {"small": [], "large": []}
    for number in range(bench.plan.catalogue_rounds):
        for name in runs:
            products = PRODUCTS if name == "small" else bench.plan.products
            found = _run(bench, f"{name}-{number}", products, 2_000 + 2 * number + (name == "large"))
            runs[name].append(found)
            bench.say(f"{name}, {products:,} products: {found['events_per_second']:,.0f} events/s, {found['latency']}")
    return figures(runs)


def figures(runs: dict[str, list[dict[str, Any]]]) -> Figures:
    """Rates and latencies, and the ratios within each round."""
    rates = {name: column(found, "events_per_second") for name, found in runs.items()}
    loading = [run["products"] / run["loaded_s"] for run in runs["large"]]
    ratio = row("events/s, large catalogue / small", ratios(rates["large"], rates["small"]), 3)
    rows = [row(f"{name} catalogue, events/s", values) for name, values in rates.items()]
    rows.append(row("products/s, loading the large catalogue into a new job", loading))
    peaks = [max(used["peak"] for used in run["memory_mb"].values()) for run in runs["large"]]
    rows.append(row("large catalogue, resident memory of the TaskManager at its peak, MiB", peaks))
    values: dict[str, Any] = {"throughput_large_vs_small_catalogue": ratio.median}
    for quantile in ("p50", "p99"):
        of = {name: [run["latency"][quantile] for run in found] for name, found in runs.items()}
        rows += [row(f"{name} catalogue, click to Redis {quantile}, ms", found, 1) for name, found in of.items()]
        compared = row(f"click to Redis {quantile}, large / small", ratios(of["large"], of["small"]), 3)
        rows.append(compared)
        values[f"latency_{quantile}_large_vs_small_catalogue"] = compared.median
    return Figures(values, [*rows, ratio], runs)


def _run(bench: Bench, name: str, products: int, seed: int) -> dict[str, Any]:
    stack, plan = bench.stack, bench.plan
    stack.stop_job()
    stack.forget_profiles()
    listed = f"products-{products}"
    _load(bench, listed, products)
    events = f"catalogue-{name}"
    load = Load(events, EVENTS, LEAD, plan.longest_s)
    topics = (f"kafka.topics.user_interactions={events}", f"kafka.topics.products={listed}")
    stack.start_job(*topics, *as_if_live(load))
    began = time.monotonic()
    await_catalogue(stack, products)
    loaded_s = time.monotonic() - began
    preload(stack, events, messages(traffic(EVENTS, int(time.time() * 1_000) - SPAN_MS, seed)))
    client, progress = stack.client(), stack.progress(SESSION, APPLIED)
    found = watch_run(stack, load, progress, 1, lambda: published(client))
    _settle(progress)
    found["latency"] = measure(stack, events, RATE, plan.latency_s, WARM_UP_S, seed + 1_000)
    return found | {"products": products, "loaded_s": round(loaded_s, 1), "memory_mb": large.memory(stack)}


def _settle(progress: Callable[[], int]) -> None:
    """Returns once nothing is taken in any more: of the events some may be no inputs that are applied."""
    last = -1
    while (count := progress()) != last:
        last = count
        time.sleep(SETTLE_S)


def _load(bench: Bench, topic: str, products: int) -> None:
    """The traffic's products, and others until there are so many, once for each topic."""
    if topic in bench.preloaded:
        return
    stack = bench.stack
    stack.create_topics(stack.settings_with(f"kafka.topics.products={topic}"))
    load_catalogue(stack, topic)
    others = large.products(products - PRODUCTS)
    preload(stack, topic, ((p["product_id"].encode(), msgspec.json.encode(p)) for p in others))
    bench.preloaded[topic] = Load(topic, products, 0, 0)
