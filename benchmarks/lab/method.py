"""What the laboratory asks of a method: take products and events as they come, and answer with slates."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from state.catalogue.product import Product
from state.events.event import Event


class Page(NamedTuple):
    """A slate, best first, and the id that impressions and clicks name it by."""

    decision_id: str
    product_ids: list[str]


class Method(ABC):
    """A recommender under test. Times are simulated, in ms since the epoch, and never go back."""

    @abstractmethod
    def product(self, product: Product, now_ms: int) -> None:
        """A product comes into the catalogue."""

    @abstractmethod
    def event(self, event: Event, now_ms: int) -> None:
        """An event arrives; its own timestamp may be older."""

    @abstractmethod
    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """What to show in the session, at most `items` products."""
