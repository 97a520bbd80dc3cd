"""The whole configuration."""

from state.configuration.counting import Popularity, Together, Users
from state.configuration.learning import Bandit, Decisions, Exposure, Reward
from state.configuration.profiles import Bundles, Candidates, Catalogue, Overload, Profile
from state.configuration.rules import BusinessRules, Variety
from state.configuration.serving import Serving
from state.configuration.sessions import Consent, Events, Session
from state.configuration.stack import Flink, Kafka, Local, Redis
from state.configuration.types import Section


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
