"""The configuration's form: one frozen struct per section of `conf/heliotrope.yaml`, with defaults and bounds.

Attributes that hold a time end in `_ms`; in the file the key has no suffix and takes `48 h`, `5 min`, `20 s`, `500 ms`
or a number of milliseconds. `jobs/settings.py` reads files, overrides and the environment into `Settings`.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
MOST_RULES = 100
"""Entries of each list of business rules."""


def key_of(attribute: str) -> str:
    """Return the configuration key of a struct's attribute: the name without its unit."""
    return attribute.removesuffix("_ms")


Millis = Annotated[int, Meta(ge=0, le=10 * 365 * 24 * HOUR_MS)]
PositiveMillis = Annotated[int, Meta(ge=1, le=10 * 365 * 24 * HOUR_MS)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
OpenFraction = Annotated[float, Meta(gt=0, lt=1)]
NonNegative = Annotated[float, Meta(ge=0, le=1e9)]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Name = Annotated[str, Meta(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]
Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Port = Annotated[int, Meta(ge=0, le=65535)]


PolicyName = Literal[
    "epsilon_greedy",
    "epsilon_decreasing",
    "epsilon_first",
    "ucb1",
    "bayes_ucb",
    "lin_ucb",
    "thompson_beta",
    "thompson_linear",
    "softmax",
    "uniform",
    "river",
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=key_of, kw_only=True):
    """Base of all sections: immutable, no unknown keys, keys without units."""


class Topics(Section, frozen=True):
    """Names of the Kafka topics; a shop has its own."""

    user_interactions: Name = "user_interactions"
    products: Name = "products"
    bundles: Name = "bundles"
    dead_letters: Name = "dead_letters"
    late_events: Name = "late_events"
    decisions: Name = "decisions"
    outcomes: Name = "outcomes"
    audit: Name = "audit"
    popularity: Name = "popularity"
    bandit_model: Name = "bandit_model"
    candidate_lists: Name = "candidate_lists"
    user_lists: Name = "user_lists"
    session_hints: Name = "session_hints"


class Kafka(Section, frozen=True):
    """The broker, and how the job reads and writes it."""

    bootstrap: str = ""
    start: str = "auto"
    topics: Topics = Topics()
    partitions: Annotated[int, Meta(ge=1, le=10_000)] = 8
    replication: Annotated[int, Meta(ge=1, le=10)] = 1
    group: Name = "heliotrope"
    transactional_id_prefix: Name = "heliotrope"
    transaction_timeout_ms: Annotated[int, Meta(ge=10_000, le=15 * MINUTE_MS)] = 15 * MINUTE_MS
    properties: dict[str, str] = {}
    properties_file: str = ""


class Redis(Section, frozen=True):
    """Settings of where profiles are written, and how writes are grouped."""

    url: str = ""
    password_file: str = ""
    prefix: Name = "heliotrope"
    batch: Annotated[int, Meta(ge=1, le=10_000)] = 64
    block_max_ms: Annotated[int, Meta(ge=100, le=120_000)] = 20_000
    socket_timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 2_000
    rebuild_per_second: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    max_bytes: Annotated[int, Meta(ge=1_048_576)] | None = None
    short_ttl_ms: Annotated[int, Meta(ge=1_000, le=365 * 24 * HOUR_MS)] = HOUR_MS


class Events(Section, frozen=True):
    """Settings of what is accepted from `user_interactions`."""

    allowed_lateness_ms: PositiveMillis = 48 * HOUR_MS
    max_future_ms: Millis = 5 * MINUTE_MS
    max_bytes: Annotated[int, Meta(ge=256, le=1_048_576)] = 65_536
    idle_timeout_ms: PositiveMillis = 5_000
    dead_letters_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] | None = 2_000
    salt_file: str = ""


class Decay(Section, frozen=True):
    """Settings of how the weight of an older event falls."""

    mode: Literal["step", "half_life"] = "step"
    factor: OpenFraction = 0.9
    half_life_ms: PositiveMillis = 30 * MINUTE_MS


class Session(Section, frozen=True):
    """A visitor's session."""

    ttl_ms: PositiveMillis = 48 * HOUR_MS
    max_events: Annotated[int, Meta(ge=2, le=1_000)] = 128
    decay: Decay = Decay()
    warming_after: Annotated[int, Meta(ge=1, le=1_000)] = 2
    active_after: Annotated[int, Meta(ge=1, le=1_000)] = 6
    active_variety: Annotated[int, Meta(ge=1, le=100)] = 2
    active_match: Annotated[int, Meta(ge=1, le=100)] = 3


class Consent(Section, frozen=True):
    """Setting that holds for a session that has not said."""

    default: Literal["granted", "denied"] = "granted"


class Sources(Section, frozen=True):
    """The weight of each source of candidates; 0 turns it off."""

    own: NonNegative = 2.0
    best_rated: NonNegative = 2.0
    most_viewed: NonNegative = 1.0
    newest: NonNegative = 1.0
    popular: NonNegative = 1.0
    trending: NonNegative = 0.5
    bought_together: NonNegative = 1.0
    viewed_together: NonNegative = 1.0
    bundles: NonNegative = 0.5
    user_lists: NonNegative = 1.0
    anywhere: NonNegative = 1.0


class Candidates(Section, frozen=True):
    """Settings of what the bandit chooses from."""

    max: Annotated[int, Meta(ge=1, le=500)] = 100
    per_category: Annotated[int, Meta(ge=1, le=1_000)] = 300
    newest_per_category: Annotated[int, Meta(ge=0, le=1_000)] = 50
    max_products: Annotated[int, Meta(ge=1, le=5_000_000)] = 200_000
    sources: Sources = Sources()


class Catalogue(Section, frozen=True):
    """Settings of how the job holds the shop's products."""

    shards: Annotated[int, Meta(ge=1, le=1_024)] = 16
    gather_ms: Annotated[int, Meta(ge=10, le=2_000)] = 200
    publish_interval_ms: Annotated[int, Meta(ge=10, le=MINUTE_MS)] = 1_000


class Profile(Section, frozen=True):
    """Settings of what is published."""

    items: Annotated[int, Meta(ge=1, le=20)] = 20
    max_bytes: Annotated[int, Meta(ge=1_024, le=65_536)] = 4_096
    refresh_after_ms: PositiveMillis = 30_000
    min_interval_ms: Annotated[int, Meta(ge=0, le=MINUTE_MS)] = 20
    affinities: Annotated[int, Meta(ge=1, le=128)] = 10
    trends: Annotated[int, Meta(ge=0, le=20)] = 5
    bundles: Annotated[int, Meta(ge=0, le=20)] = 3


class Overload(Section, frozen=True):
    """Settings of what is left out per event while the job is behind; see `state/choosing/overload.py`."""

    spacing_after_ms: PositiveMillis = 2_000
    spacing_ms: Annotated[int, Meta(ge=0, le=MINUTE_MS)] = 2_000
    fewer_candidates_after_ms: PositiveMillis = 5_000
    candidates: Annotated[int, Meta(ge=1, le=500)] = 30
    recover_after_ms: Annotated[int, Meta(ge=100, le=HOUR_MS)] = 5_000


class Exposure(Section, frozen=True):
    """Settings of what counts as seen."""

    mode: Literal["auto", "explicit", "implicit"] = "auto"
    model: Literal["all", "cascade", "position"] = "all"
    implicit_items: Annotated[int, Meta(ge=1, le=20)] = 5
    implicit_dwell_ms: Millis = 500
    open_max: Annotated[int, Meta(ge=1, le=128)] = 32


class Weights(Section, frozen=True):
    """Weights of events as signs of interest; the same numbers are rewards where an exposure precedes."""

    category_view: NonNegative = 0.5
    product_view: NonNegative = 1.0
    add_to_cart: NonNegative = 3.0
    checkout: NonNegative = 5.0
    thumb: NonNegative = 3.0
    bundle: NonNegative = 8.0


class Reward(Section, frozen=True):
    """Settings of how outcomes are credited to exposures."""

    weights: Weights = Weights()
    aggregate: Literal["max", "sum", "first"] = "first"
    affinity_boost: NonNegative = 0.0
    window_ms: PositiveMillis = 30 * MINUTE_MS
    disorder_ms: Millis = 10 * MINUTE_MS


class Bandit(Section, frozen=True):
    """The policy and its learner."""

    policy: PolicyName = "thompson_linear"
    epsilon: Fraction = 0.2
    epsilon_tau: Positive = 5_000.0
    explore_first: NonNegative = 1_000.0
    floor: Fraction = 0.005
    confidence: NonNegative = 0.3
    temperature: Annotated[float, Meta(ge=0.0001, le=1_000)] = 0.02
    prior_exposures: Annotated[float, Meta(ge=1, le=1e6)] = 20.0
    draws: Annotated[int, Meta(ge=2, le=1_024)] = 32
    river: str = ""
    river_parameters: dict[str, str | float | int | bool | None] = {}
    order_by: Literal["value", "score"] = "value"
    form: Literal["shared", "disjoint"] = "shared"
    disjoint_products: Annotated[int, Meta(ge=1, le=1_000)] = 100
    ridge: Positive = 1.0
    half_life_ms: Annotated[int, Meta(ge=1)] | None = None
    drift: Literal["ignore", "watch", "shorten"] = "ignore"
    drift_delta: OpenFraction = 0.002
    drift_half_life_ms: PositiveMillis = 7 * 24 * HOUR_MS
    drift_least_half_life_ms: PositiveMillis = 12 * HOUR_MS
    publish_interval_ms: Annotated[int, Meta(ge=50, le=60_000)] = 1_000
    snapshot_interval_ms: Annotated[int, Meta(ge=50, le=HOUR_MS)] = 30_000
    shards: Annotated[int, Meta(ge=1, le=1_024)] = 4
    max_products: Annotated[int, Meta(ge=1, le=20_000)] = 10_000
    variant: Name = "default"
    variants: Annotated[dict[Name, dict[str, Any]], Meta(max_length=8)] = {}
    variants_salt: str = ""
    seed: Annotated[int, Meta(ge=0)] | None = None
    lineage: Annotated[str, Meta(max_length=64)] = ""


class Pin(Section, frozen=True):
    """Product at a fixed place, for everybody or where the visitor's newest event is of a category."""

    product: Identifier
    position: Annotated[int, Meta(ge=0, le=19)]
    category: Annotated[str, Meta(max_length=128)] = ""


class Bury(Section, frozen=True):
    """Amount by which the expected reward of a product, or of a category's products, is lowered in the choice."""

    product: Annotated[str, Meta(max_length=128)] = ""
    category: Annotated[str, Meta(max_length=128)] = ""
    factor: Fraction = 1.0
    offset: Annotated[float, Meta(ge=-1, le=0)] = 0.0


class Block(Section, frozen=True):
    """Product or category that is never shown."""

    products: Annotated[list[Identifier], Meta(max_length=MOST_RULES)] = []
    categories: Annotated[list[Identifier], Meta(max_length=MOST_RULES)] = []


class Only(Section, frozen=True):
    """A product that is shown only where the visitor's newest event is of a category."""

    product: Identifier
    category: Identifier


class BusinessRules(Section, frozen=True):
    """Rules of the shop for its lists, whatever the policy."""

    pin: Annotated[list[Pin], Meta(max_length=MOST_RULES)] = []
    bury: Annotated[list[Bury], Meta(max_length=MOST_RULES)] = []
    block: Block = Block()
    only: Annotated[list[Only], Meta(max_length=MOST_RULES)] = []


class Boosts(Section, frozen=True):
    """Amounts added to the expected reward of the newest, the best rated and the most viewed product; others get their part."""

    newer: Fraction = 0.0
    rated: Fraction = 0.0
    viewed: Fraction = 0.0


class Variety(Section, frozen=True):
    """Settings that keep a list from being more of the same; they act inside the choice."""

    category_share: Fraction = 0.5
    personal_share: Fraction = 0.9
    diversity: Fraction = 0.0
    times_shown: Annotated[int, Meta(ge=0, le=1_000)] = 10
    hide_bought: bool = True
    boosts: Boosts = Boosts()


class Variant(Bandit, frozen=True):
    """An arm of an experiment: its share of the sessions, and what of `bandit` is other for it."""

    share: Fraction = 0.0


NOT_FOR_VARIANTS = frozenset(
    {
        "drift",
        "drift_delta",
        "drift_half_life_ms",
        "drift_least_half_life_ms",
        "publish_interval_ms",
        "snapshot_interval_ms",
        "shards",
        "max_products",
        "variant",
        "variants",
        "variants_salt",
        "seed",
        "lineage",
    }
)
"""Attributes of `Bandit` that are the same for all variants."""


class Decisions(Section, frozen=True):
    """Settings of what is written to the decision log."""

    log: Literal["exposed", "published"] = "exposed"
    full_share: Fraction = 0.01


class Popularity(Section, frozen=True):
    """Regional windows; their allowed lateness is also the watermark's delay."""

    window_ms: Annotated[int, Meta(ge=1_000, le=7 * 24 * HOUR_MS)] = HOUR_MS
    slide_ms: Annotated[int, Meta(ge=1_000, le=24 * HOUR_MS)] = MINUTE_MS
    allowed_lateness_ms: Millis = MINUTE_MS
    counts: Literal["views", "purchases"] = "views"
    top: Annotated[int, Meta(ge=1, le=200)] = 50
    tracked: Annotated[int, Meta(ge=1, le=2_000)] = 200
    trend: Literal["rise", "count"] = "rise"
    trend_support: Annotated[int, Meta(ge=1, le=10**9)] = 20
    trend_significance: NonNegative = 3.0
    max_regions: Annotated[int, Meta(ge=2, le=100_000)] = 1_000
    max_categories: Annotated[int, Meta(ge=2, le=100_000)] = 10_000
    admission_support: Annotated[int, Meta(ge=1, le=10**9)] = 20
    baseline_half_life_ms: PositiveMillis = 24 * HOUR_MS
    moments_half_life_ms: PositiveMillis = 30 * 24 * HOUR_MS


class Together(Section, frozen=True):
    """Settings of what is bought and viewed together."""

    half_life_ms: PositiveMillis = 30 * 24 * HOUR_MS
    support: NonNegative = 3.0
    lift: NonNegative = 1.2
    listed: Annotated[int, Meta(ge=1, le=50)] = 10
    tracked: Annotated[int, Meta(ge=1, le=200)] = 40
    max_products: Annotated[int, Meta(ge=1, le=5_000_000)] = 50_000
    max_counted: Annotated[int, Meta(ge=1, le=100_000_000)] = 2_000_000
    gather_ms: Annotated[int, Meta(ge=50, le=MINUTE_MS)] = 500
    max_pairs: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_000
    shards: Annotated[int, Meta(ge=1, le=64)] = 1


class Bundles(Section, frozen=True):
    """Bundles that the shop offers."""

    max: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000


class Users(Section, frozen=True):
    """Settings of what is kept of a person over sessions and channels."""

    half_life_ms: PositiveMillis = 14 * 24 * HOUR_MS
    ttl_ms: PositiveMillis = 365 * 24 * HOUR_MS
    listed: Annotated[int, Meta(ge=1, le=500)] = 100
    gather_ms: Annotated[int, Meta(ge=10, le=MINUTE_MS)] = 500
    weight: Fraction = 0.5


class Flink(Section, frozen=True):
    """Settings of how the job runs."""

    parallelism: Annotated[int, Meta(ge=1, le=1_024)] | None = None
    max_parallelism: Annotated[int, Meta(ge=128, le=32_768)] = 1_024
    checkpoint_interval_ms: Annotated[int, Meta(ge=100, le=HOUR_MS)] = 10_000
    checkpoint_timeout_ms: Annotated[int, Meta(ge=1_000, le=HOUR_MS)] = 5 * MINUTE_MS
    checkpoint_dir: str = ""
    buffer_timeout_ms: Annotated[int, Meta(ge=0, le=1_000)] = 2
    gather_ms: Annotated[int, Meta(ge=1, le=1_000)] = 2
    buckets: Annotated[int, Meta(ge=1, le=4_096)] | None = None
    state_backend: Literal["hashmap", "rocksdb"] = "hashmap"


class Local(Section, frozen=True):
    """The embedded stack of `heliotrope up`; port 0 takes a free one."""

    workdir: str = ".heliotrope"
    task_managers: Annotated[int, Meta(ge=1, le=64)] = 1
    java_home: str = ""
    kafka_port: Port = 0
    redis_port: Port = 0
    flink_port: Port = 0
    metrics_port: Port = 0
    task_manager_memory_mb: Annotated[int, Meta(ge=768, le=262_144)] = 1_600
    job_manager_memory_mb: Annotated[int, Meta(ge=768, le=65_536)] = 1_024
    kafka_memory_mb: Annotated[int, Meta(ge=128, le=65_536)] = 512
    start_timeout_ms: PositiveMillis = 120_000


RateLimit = Annotated[str, Meta(pattern=r"\A(\d{1,9}/(second|minute|hour))?\Z")]
"""For example `100/second`; empty for none."""


class RateLimits(Section, frozen=True):
    """Settings of how many events are taken of one key, one session and one address."""

    key: RateLimit = ""
    session: RateLimit = ""
    address: RateLimit = ""


class Streams(Section, frozen=True):
    """The open connections on which news of profiles is sent."""

    max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    max_sockets: Annotated[int, Meta(ge=0, le=1_000_000)] = 2_000
    per_session: Annotated[int, Meta(ge=1, le=1_000)] = 16
    keep_alive_ms: Annotated[int, Meta(ge=100, le=10 * MINUTE_MS)] = 20_000
    idle_ms: Annotated[int, Meta(ge=100, le=24 * HOUR_MS)] = 120_000
    send_timeout_ms: Annotated[int, Meta(ge=100, le=10 * MINUTE_MS)] = 10_000
    retry_ms: Annotated[int, Meta(ge=100, le=10 * MINUTE_MS)] = 3_000


class Reader(Section, frozen=True):
    """Settings of reads for `GET /v1/profile`."""

    budget_ms: Annotated[int, Meta(ge=1, le=MINUTE_MS)] = 50
    wait_max_ms: Annotated[int, Meta(ge=1, le=5 * MINUTE_MS)] = 10_000
    slow_after_ms: Annotated[int, Meta(ge=1, le=MINUTE_MS)] = 50
    give_up_after_ms: Annotated[int, Meta(ge=10, le=MINUTE_MS)] = 2_000
    failures: Annotated[int, Meta(ge=1, le=1_000)] = 3
    lag_ms: Annotated[int, Meta(ge=1, le=MINUTE_MS)] = 100
    stale_max_ms: Annotated[int, Meta(ge=1, le=24 * HOUR_MS)] = 10 * MINUTE_MS
    cache_profiles: Annotated[int, Meta(ge=1, le=10_000_000)] = 20_000
    cache_bytes: Annotated[int, Meta(ge=65_536, le=2**40)] = 64 * 1024 * 1024


class Trackers(Section, frozen=True):
    """Mappings by which calls of other trackers become events: a shipped mapping or the path of one; empty to take none."""

    segment: str = "segment"
    posthog: str = "posthog"
    mixpanel: str = "mixpanel"


class Serving(Section, frozen=True):
    """The way in and the way out over HTTP."""

    enabled: bool = True
    host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 0
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    write_keys_file: str = ""
    session_tokens: bool = False
    session_tokens_file: str = ""
    origins: Annotated[list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=100)] = []
    trusted_proxies: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=100)] = []
    rate_limits: RateLimits = RateLimits()
    trackers: Trackers = Trackers()
    data_dir: str = ""
    metadata: bool = True
    reader: Reader = Reader()
    streams: Streams = Streams()
    max_connections: Annotated[int, Meta(ge=16, le=1_000_000)] = 12_000
    header_timeout_ms: Annotated[int, Meta(ge=100, le=5 * MINUTE_MS)] = 10_000
    body_timeout_ms: Annotated[int, Meta(ge=100, le=5 * MINUTE_MS)] = 10_000
    produce_timeout_ms: Annotated[int, Meta(ge=500, le=2 * MINUTE_MS)] = 5_000
    stop_timeout_ms: Annotated[int, Meta(ge=1_000, le=5 * MINUTE_MS)] = 10_000
    storefront: bool = True
    storefront_catalogue: str = ""
    admin_token_file: str = ""
    job_metrics: str = ""


class Settings(Section, frozen=True):
    """The whole configuration."""

    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    events: Events = Events()
    session: Session = Session()
    consent: Consent = Consent()
    candidates: Candidates = Candidates()
    catalogue: Catalogue = Catalogue()
    profile: Profile = Profile()
    overload: Overload = Overload()
    exposure: Exposure = Exposure()
    reward: Reward = Reward()
    bandit: Bandit = Bandit()
    rules: BusinessRules = BusinessRules()
    variety: Variety = Variety()
    decisions: Decisions = Decisions()
    popularity: Popularity = Popularity()
    together: Together = Together()
    bundles: Bundles = Bundles()
    users: Users = Users()
    flink: Flink = Flink()
    serving: Serving = Serving()
    local: Local = Local()
