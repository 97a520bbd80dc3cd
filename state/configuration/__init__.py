"""The configuration's form: one frozen struct per section of `conf/heliotrope.yaml`, with defaults and bounds.

Attributes that hold a time end in `_ms`; in the file the key has no suffix and takes `48 h`, `5 min`, `20 s`, `500 ms`
or a number of milliseconds. `jobs/settings.py` reads files, overrides and the environment into `Settings`.
"""

from state.configuration.counting import Popularity, Together, Users
from state.configuration.learning import (
    NOT_FOR_VARIANTS,
    Bandit,
    Decisions,
    Exposure,
    PolicyName,
    Reward,
    Variant,
    Weights,
)
from state.configuration.profiles import Bundles, Candidates, Catalogue, Overload, Profile, Sources
from state.configuration.rules import MOST_RULES, Block, Boosts, Bury, BusinessRules, Only, Pin, Variety
from state.configuration.serving import RateLimit, RateLimits, Reader, Serving, Streams, Trackers
from state.configuration.sessions import Consent, Decay, Events, Session
from state.configuration.settings import Settings
from state.configuration.stack import Flink, Kafka, Local, Redis, Topics
from state.configuration.types import (
    HOUR_MS,
    MINUTE_MS,
    Fraction,
    Identifier,
    Millis,
    Name,
    NonNegative,
    OpenFraction,
    Port,
    Positive,
    PositiveMillis,
    Section,
    key_of,
)

__all__ = [
    "HOUR_MS",
    "MINUTE_MS",
    "MOST_RULES",
    "NOT_FOR_VARIANTS",
    "Bandit",
    "Block",
    "Boosts",
    "Bundles",
    "Bury",
    "BusinessRules",
    "Candidates",
    "Catalogue",
    "Consent",
    "Decay",
    "Decisions",
    "Events",
    "Exposure",
    "Flink",
    "Fraction",
    "Identifier",
    "Kafka",
    "Local",
    "Millis",
    "Name",
    "NonNegative",
    "Only",
    "OpenFraction",
    "Overload",
    "Pin",
    "PolicyName",
    "Popularity",
    "Port",
    "Positive",
    "PositiveMillis",
    "Profile",
    "RateLimit",
    "RateLimits",
    "Reader",
    "Redis",
    "Reward",
    "Section",
    "Serving",
    "Session",
    "Settings",
    "Sources",
    "Streams",
    "Together",
    "Topics",
    "Trackers",
    "Users",
    "Variant",
    "Variety",
    "Weights",
    "key_of",
]
