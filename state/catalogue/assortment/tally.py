"""What is counted over all products of a category, exactly: sums are whole numbers, so any order of changes gives the same."""

from math import isnan, log1p

import msgspec

from state.catalogue.assortment.facts import Facts

PRIOR_REVIEWS = 10
"""Weight of the category's mean in a product's rating: one five-star review does not win."""
RATING_UNIT = 1e-6
PRICE_UNIT = 1e-9
PRICE_SCALE = 8
"""Prices count as log(1 + price) / 8, as in `Catalogue.static`."""
ANCHOR_STEPS = 32
"""Steps per star of the mean that quality is measured from."""


class Tally(msgspec.Struct, array_like=True):
    """Number of products, of rated and of priced ones, and the sums of ratings (in millionths) and log prices (in thousand
    millionths), of all that are known, in stock or not."""

    products: int = 0
    rated: int = 0
    ratings: int = 0
    priced: int = 0
    prices: int = 0

    def add(self, facts: Facts, times: int = 1) -> None:
        """Count a product, or with -1 take it out again."""
        self.products += times
        if facts.is_rated:
            self.rated += times
            self.ratings += times * round(facts.rating / RATING_UNIT)
        if not isnan(facts.price):
            self.priced += times
            self.prices += times * round(log1p(facts.price) / PRICE_SCALE / PRICE_UNIT)

    @property
    def mean_rating(self) -> float:
        """Over all rated products; 0 where there is none."""
        return self.ratings * RATING_UNIT / self.rated if self.rated else 0.0

    @property
    def mean_price(self) -> float:
        """Of log(1 + price) / 8 over all priced products; 0 where there is none."""
        return self.prices * PRICE_UNIT / self.priced if self.priced else 0.0

    @property
    def anchor(self) -> float:
        """The mean rating to the next 1/32 of a star: so lists need not be ordered anew with each rating that comes in."""
        return round(self.mean_rating * ANCHOR_STEPS) / ANCHOR_STEPS
