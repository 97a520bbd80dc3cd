"""The plain loop that the job is held against: one process that reads, keeps sessions in a dict, asks a bandit, writes a profile.

As a source paper's system does it: `kafka-python` for events, Vowpal Wabbit (`--cb_explore_adf --epsilon 0.2`) over 50 candidates
for each event, a learn call for each rewarded event, and one SET of a JSON profile in Redis, without pipelining. Nothing of it is
kept over a restart, nothing is logged, and an event that comes twice counts twice.

REDIS=URL python -m benchmarks.plain_loop --kafka HOST:PORT --topic NAME --events N [--lead N]
"""

import argparse
import json
import os
import random
import time
from typing import Any

import redis
from kafka import KafkaConsumer

from benchmarks.listener import REDIS_VARIABLE
from benchmarks.traffic import catalogue

CANDIDATES = 50
ITEMS = 20
DECAY = 0.9
EPSILON = 0.2
REWARDS = {"category_view": 0.5, "product_view": 1.0, "add_to_cart": 3.0, "checkout": 5.0, "feedback": 3.0}
LARGEST_REWARD = 5.0
TTL_S = 48 * 3_600
SHOWN_NEWEST = 3


class Session:
    """Affinities, newest first by decay, and the probabilities of what was published last."""

    def __init__(self) -> None:
        self.products: dict[str, float] = {}
        self.categories: dict[str, float] = {}
        self.events = 0
        self.published: dict[str, float] = {}

    def add(self, product: str, category: str, weight: float) -> None:
        """Decays what is known and adds an event."""
        for known, name in ((self.products, product), (self.categories, category)):
            for other in known:
                known[other] *= DECAY
            known[name] = known.get(name, 0.0) + weight
        self.events += 1


class PlainLoop:
    """The work for one event, apart from where events come from."""

    def __init__(self, client: redis.Redis, seed: int) -> None:
        import vowpalwabbit  # of the benchmarks' own lock

        self._vw = vowpalwabbit.Workspace(f"--quiet --cb_explore_adf --epsilon {EPSILON} -q ua --random_seed {seed}")
        self._redis = client
        self._random = random.Random(seed)
        self._sessions: dict[str, Session] = {}
        self._lines: dict[str, str] = {}
        self._by_category: dict[str, list[str]] = {}
        self.learned = 0

    def list_product(self, product: dict[str, Any]) -> None:
        """Takes a product into the catalogue."""
        name, category = product["product_id"], product["category_id"]
        self._lines[name] = f"|a {name} {category} price:{product['price'] / 100:.3f} rating:{product.get('rating', 3)}"
        self._by_category.setdefault(category, []).append(name)

    def handle(self, payload: bytes) -> None:
        """Learns from an event and publishes its session's profile anew."""
        event = json.loads(payload)
        name, product, category = event["session_id"], event["product_id"], event["category_id"]
        session = self._sessions.setdefault(name, Session())
        reward = REWARDS.get(event["event_type"], 0.0)
        shared = self._shared(session)
        if reward and product in self._lines:
            probability = session.published.get(product, EPSILON / CANDIDATES)
            cost = -reward / LARGEST_REWARD
            self._vw.learn([shared, f"0:{cost:.3f}:{probability:.5f} {self._lines[product]}"])
            self.learned += 1
        session.add(product, category, reward)
        candidates = self._candidates(session)
        chances = self._vw.predict([self._shared(session), *(self._lines[candidate] for candidate in candidates)])
        ranked = sorted(zip(chances, candidates, strict=True), reverse=True)[:ITEMS]
        session.published = {candidate: chance for chance, candidate in ranked}
        profile = self._profile(name, session, ranked, event["timestamp"])
        self._redis.set(f"plain:profile:{name}", json.dumps(profile), ex=TTL_S)

    def _shared(self, session: Session) -> str:
        total = sum(session.categories.values()) or 1.0
        return "shared |u 1 " + " ".join(f"{name}:{value / total:.3f}" for name, value in session.categories.items())

    def _candidates(self, session: Session) -> list[str]:
        """Products of the liked categories, filled up with any others."""
        liked = sorted(session.categories, key=session.categories.__getitem__, reverse=True)[:SHOWN_NEWEST]
        found = [name for category in liked for name in self._by_category.get(category, ())[: CANDIDATES // 2]]
        chosen = dict.fromkeys(found[:CANDIDATES])
        names = list(self._by_category)
        while len(chosen) < CANDIDATES:
            chosen[self._random.choice(self._by_category[self._random.choice(names)])] = None
        return list(chosen)

    def _profile(
        self, name: str, session: Session, ranked: list[tuple[float, str]], timestamp_ms: int
    ) -> dict[str, Any]:
        return {
            "session_id": name,
            "updated_at": time.time_ns() // 1_000_000,
            "event_time": timestamp_ms,
            "version": session.events,
            "score_data": [{"product_id": product, "score": chance} for chance, product in ranked],
            "affinities": {"products": session.products, "categories": session.categories},
        }


def run(kafka: str, url: str, topic: str, events: int, lead: int) -> dict[str, float]:
    """Handles `lead` events and then `events` more, which are timed."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False, group_id=None
    )
    client = redis.Redis.from_url(url)
    loop = PlainLoop(client, seed=1)
    for product in catalogue(0):
        loop.list_product(product)
    begun, cpu = time.monotonic(), time.process_time()
    for index, record in enumerate(consumer, start=1):
        loop.handle(record.value)
        if index == lead:
            begun, cpu = time.monotonic(), time.process_time()
        if index == lead + events:
            break
    seconds = time.monotonic() - begun
    consumer.close()
    return {
        "events": events,
        "seconds": seconds,
        "events_per_second": events / seconds,
        "own_cpu_s": time.process_time() - cpu,
        "learned": loop.learned,
    }


def main() -> None:
    """Prints the result as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--lead", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(run(options.kafka, os.environ[REDIS_VARIABLE], options.topic, options.events, options.lead)))


if __name__ == "__main__":
    main()
