"""Effects of categories by region: apart from the products' own, and known as well as the data allow."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.choosing.crossed import DRAWN, OF_CATEGORIES, OF_PRODUCTS, OF_PRODUCTS_DRAWN
from state.choosing.features import Context
from state.choosing.model_cells import Cells, ModelCells
from state.choosing.rates import Rates
from state.choosing.regional import NO_EFFECTS, InRegion, regional_effects
from state.configuration.groups import DEVICE, REGION
from state.feature_set import DIMENSION
from state.model.cells import cell_of
from state.model.sums import Example
from state.personalizer import Personalizer
from state.session.group import SEPARATOR, group_of
from state.session.interest import Interest
from tests.state.shop import T0, Visit, event, predictor_of, settings

PRODUCTS, CATEGORIES, NOISE, MEAN = 40, 4, 0.04, 0.1
CODES = np.arange(PRODUCTS) % CATEGORIES
EFFECTS = np.array([[0.0] * CATEGORIES, [0.08, -0.05, 0.0, 0.0], [-0.08, 0.05, 0.0, 0.0]])
"""By region and category: the first is that of no region, what two like the other dislikes."""


def shown(counts: NDArray[np.float64], seed: int = 1) -> tuple[Cells, NDArray[np.float64], NDArray[np.float64]]:
    """Cells of products without effects of their own, of so many exposures (regions, products); and the products' totals."""
    rng = np.random.default_rng(seed)
    region, rows = np.repeat([1, 2], PRODUCTS), np.tile(np.arange(PRODUCTS), 2)
    n = counts.ravel()
    residuals = n * EFFECTS[region, CODES[rows]] + rng.normal(size=len(n)) * np.sqrt(NOISE * n)
    cells = Cells(["", "north", "south"], region, rows, n, residuals, np.zeros(len(n)))
    totals = [np.bincount(rows, weights=of).astype(np.float64) for of in (n, residuals)]
    return cells, totals[0], totals[1]


def test_effects_of_regions_are_found() -> None:
    cells, exposures, residuals = shown(np.full((2, PRODUCTS), 200.0))
    regional, explained = regional_effects(cells, exposures, residuals, CODES, CATEGORIES, NOISE, MEAN, OF_CATEGORIES)
    for number, name in enumerate(("north", "south"), start=1):
        found = regional.of(name).effects
        deviation = np.sqrt(NOISE / 2_000)
        assert np.abs(found[:, 0] - EFFECTS[number]).max() < 4 * deviation
        assert (found[:, 1] > DRAWN * deviation**2 / 2).all()
        assert (found[:, 1] < 2 * DRAWN * deviation**2).all()
    assert np.abs(explained).max() < 0.02 * exposures.max()  # the regions' effects cancel where both saw as much


def test_what_a_region_explains_is_not_the_products_own() -> None:
    """Some products of a category are seen in one region only: without the regions they would look better than the others."""
    counts = np.full((2, PRODUCTS), 100.0)
    counts[0, :8], counts[1, :8] = 200.0, 0.0
    cells, exposures, residuals = shown(counts)
    _, explained = regional_effects(cells, exposures, residuals, CODES, CATEGORIES, NOISE, MEAN, OF_CATEGORIES)
    of_first = CODES[:8] == 0
    before = (residuals / exposures)[:8][of_first].mean()
    after = ((residuals - explained) / exposures)[:8][of_first].mean()
    assert before > 0.06
    assert abs(after) < 0.03


def test_a_region_that_is_not_known_has_the_categories_effect_and_the_regions_spread() -> None:
    cells, exposures, residuals = shown(np.full((2, PRODUCTS), 200.0))
    regional, _ = regional_effects(cells, exposures, residuals, CODES, CATEGORIES, NOISE, MEAN, OF_CATEGORIES)
    unknown, known = regional.of("elsewhere").effects, regional.of("north").effects
    assert (unknown[:, 0] == 0).all()
    assert (unknown[:, 1] > known[:, 1]).all()
    assert len(regional.of("").effects) == 0


def test_no_cells_give_no_effects() -> None:
    none = np.zeros(0)
    cells = Cells([""], none.astype(np.int64), none.astype(np.int64), none, none, none)
    regional, explained = regional_effects(
        cells, np.ones(PRODUCTS), np.ones(PRODUCTS), CODES, CATEGORIES, NOISE, MEAN, OF_CATEGORIES
    )
    assert regional is NO_EFFECTS
    assert not explained.any()


def regional_chooser(liked: Mapping[str, int] | None = None, **bandit: object) -> Chooser:
    """A shop in which each region takes what is of its category: the north c0, and the south c1, where no others are given."""
    chooser = Chooser(settings(bandit=bandit), np.random.default_rng(3))
    for number in range(PRODUCTS):
        chooser.catalogue.put(Product(f"p{number}", f"c{number % CATEGORIES}", price=10.0))
    chooser.refresh(T0)
    x = np.zeros(DIMENSION, np.float16)
    x[0] = 1
    examples = [
        Example(T0, f"p{number}", x.tobytes(), 1.0, reward, reward, region=region)
        for _ in range(60)
        for number in range(PRODUCTS)
        for region, category in (liked or {"north": 0, "south": 1}).items()
        for reward in (0.2 * (number % CATEGORIES == category),)
    ]
    chooser.use_model(predictor_of(examples, DIMENSION))
    return chooser


def context(region: str) -> Context:
    return Context(Interest({}, {}, 0.0), "", {}, T0, region=region)


def expected_by_category(chooser: Chooser, region: str) -> list[float]:
    considered = chooser.consider(context(region), PRODUCTS)
    names = [int(name[1:]) % CATEGORIES for name in considered.candidates.product_ids]
    return [float(considered.belief.mean[np.array(names) == number].mean()) for number in range(CATEGORIES)]


def test_each_region_is_shown_what_it_likes() -> None:
    chooser = regional_chooser()
    north, south, nowhere = (expected_by_category(chooser, region) for region in ("north", "south", ""))
    assert north[0] > nowhere[0] + 0.05 > south[0] + 0.1
    assert south[1] > nowhere[1] + 0.05 > north[1] + 0.1
    for region, liked in (("north", "c0"), ("south", "c1")):
        slate = chooser.choose(context(region), profile_version=1, cause=b"")
        assert slate.category_ids[:5] == [liked] * 5
        assert chooser.predict(slate, region)[0] > 0.15


def test_predictions_of_an_older_slate_are_those_of_its_region() -> None:
    chooser = regional_chooser()
    slate = chooser.choose(context("north"), profile_version=1, cause=b"")
    of_choice = chooser.predict(slate, "north")
    chooser.choose(context("south"), profile_version=1, cause=b"")  # the newest one's are remembered
    np.testing.assert_allclose(chooser.predict(slate, "north"), of_choice, atol=2e-3)
    assert chooser.predict(slate, "south")[0] < of_choice[0] - 0.1


def test_effects_that_are_not_configured_are_not_used() -> None:
    chooser = regional_chooser(effects=[])
    assert expected_by_category(chooser, "north") == expected_by_category(chooser, "south")


def test_regions_that_the_compiled_core_cannot_name_have_no_effects() -> None:
    chooser = regional_chooser()
    x = np.eye(1, DIMENSION, dtype=np.float16).tobytes()
    names = ('quo"te', "r" * 64, "plain")
    predictor = predictor_of([Example(T0, "p0", x, 1.0, 1.0, 1.0, region=name) for name in names], DIMENSION)
    assert list(Rates(chooser.catalogue, predictor).regional.regions) == ["", "plain"]


def by_parts(shares: NDArray[np.float64]) -> tuple[Cells, NDArray[np.float64], NDArray[np.float64]]:
    """Cells of two regions × two devices, of so many exposures each (2, 2): the north likes c0, phones like c1."""
    rng = np.random.default_rng(4)
    names = [
        f"{region}{SEPARATOR}{device}{SEPARATOR}" for region in ("north", "south") for device in ("phone", "tablet")
    ]
    region, rows = np.repeat([1, 2, 3, 4], PRODUCTS), np.tile(np.arange(PRODUCTS), 4)
    n = np.repeat(shares.ravel(), PRODUCTS)
    liked = 0.1 * ((region <= 2) & (CODES[rows] == 0)) + 0.1 * ((region % 2 == 1) & (CODES[rows] == 1))
    residuals = n * liked + rng.normal(size=len(n)) * np.sqrt(NOISE * n)
    cells = Cells(["", *names], region, rows, n, residuals, np.zeros(len(n)))
    totals = [np.bincount(rows, weights=of).astype(np.float64) for of in (n, residuals)]
    return cells, totals[0], totals[1]


@pytest.mark.parametrize(
    "shares", [np.full((2, 2), 200.0), np.array([[380.0, 20.0], [20.0, 380.0]])], ids=["apart", "mostly together"]
)
def test_effects_of_region_and_device_are_found_together_and_not_twice(shares: NDArray[np.float64]) -> None:
    """Also where nearly all of the north have phones: what the two share is in one of them alone."""
    cells, exposures, residuals = by_parts(shares)
    regional, _ = regional_effects(cells, exposures, residuals, CODES, CATEGORIES, NOISE, MEAN, OF_CATEGORIES)
    of = {
        (r, d): regional.of(f"{r}{SEPARATOR}{d}{SEPARATOR}").effects[:, 0]
        for r in ("north", "south")
        for d in ("phone", "tablet")
    }
    for d in ("phone", "tablet"):
        assert of["north", d][0] - of["south", d][0] == pytest.approx(0.1, abs=0.03)
        assert of["north", d][1] - of["south", d][1] == pytest.approx(0.0, abs=0.02)
    for r in ("north", "south"):
        assert of[r, "phone"][1] - of[r, "tablet"][1] == pytest.approx(0.1, abs=0.03)
        assert of[r, "phone"][0] - of[r, "tablet"][0] == pytest.approx(0.0, abs=0.02)


def test_what_of_a_group_is_not_known_has_no_effect() -> None:
    cells, exposures, residuals = by_parts(np.full((2, 2), 200.0))
    regions = [*cells.regions[:4], f"{SEPARATOR}tablet{SEPARATOR}"]
    regional, _ = regional_effects(
        cells._replace(regions=regions), exposures, residuals, CODES, CATEGORIES, NOISE, MEAN, OF_CATEGORIES
    )
    found = {region: regional.of(region).effects for region in regions[1:]}
    whole = found[f"south{SEPARATOR}phone{SEPARATOR}"][:, 0] - found[f"north{SEPARATOR}phone{SEPARATOR}"][:, 0]
    assert whole[0] < -0.05
    tablet = found[f"{SEPARATOR}tablet{SEPARATOR}"]
    assert tablet[1, 0] < found[f"north{SEPARATOR}phone{SEPARATOR}"][1, 0] - 0.05
    assert (tablet[:, 1] > found[f"north{SEPARATOR}tablet{SEPARATOR}"][:, 1]).all()


def test_a_group_that_is_not_known_has_what_its_region_has() -> None:
    statistics = np.array([[100.0, 0.0, 10.0, 0.0], [100.0, 0.0, -10.0, 0.0]] * 2)
    catalogue = Chooser(settings(), np.random.default_rng(1)).catalogue
    for number in range(2):
        catalogue.put(Product(f"p{number}", f"c{number}"))
    groups = [f"{region}{SEPARATOR}phone{SEPARATOR}" for region in ("north", "south")]
    names = [cell_of(group, f"p{number}") for group in groups for number in range(2)]
    cells = ModelCells().of(catalogue, names, statistics)
    assert cells.regions == ["", *groups, "north", "south"]
    n = np.zeros(3)
    n[[catalogue.row_of["p0"], catalogue.row_of["p1"]]] = 200.0
    regional, _ = regional_effects(cells, n, np.zeros(3), catalogue.category[:3], 3, NOISE, MEAN, OF_CATEGORIES)
    tablet, alone = regional.of(f"north{SEPARATOR}tablet{SEPARATOR}"), regional.of("north")
    assert tablet.effects.tolist() == alone.effects.tolist()
    unknown = regional.of(f"west{SEPARATOR}phone{SEPARATOR}")
    assert unknown.effects.tolist() == regional.effects[0].tolist()


def test_a_cell_of_which_hardly_an_exposure_is_left_has_no_effect() -> None:
    """Where a visitor's group changed, exposures of one age are taken back where others of another age were told with rewards."""
    statistics = np.array(
        [[100.0, 5.0, 3.0, 0.0], [1e-6, 1.0, 0.95, 0.0], [0.5, 0.5, 0.45, 0.0], [1e-6, 0.0, -1.0, 0.0]]
    )
    catalogue = regional_chooser().catalogue
    found = ModelCells().of(catalogue, [cell_of("north", f"p{number}") for number in range(4)], statistics)
    assert found.rows.tolist() == [catalogue.row_of["p0"], catalogue.row_of["p2"]]


LIKED_IN_NORTH = (3, 7, 12)
"""Products that the north likes more than others do, each in another category than the next."""


def liked_in_north(size: float) -> tuple[Cells, NDArray[np.float64], NDArray[np.float64]]:
    """Cells as `shown` has them, but of what regions like by product alone."""
    cells, exposures, _ = shown(np.full((2, PRODUCTS), 400.0))
    own = size * (np.isin(cells.rows, LIKED_IN_NORTH) & (cells.region == 1))
    noise = np.random.default_rng(6).normal(size=len(own)) * np.sqrt(NOISE * cells.exposures)
    cells = cells._replace(unexplained=cells.exposures * own + noise)
    return cells, exposures, np.bincount(cells.rows, weights=cells.unexplained).astype(np.float64)


def of_products(found: InRegion, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The effects of products alone: what is found without a category."""
    return found.means(np.full(len(rows), CATEGORIES), rows)


def test_effects_of_products_in_a_region_are_found_next_to_those_of_categories() -> None:
    """Three products of forty are too few to make an effect of their categories, or of the products everywhere."""
    cells, exposures, residuals = liked_in_north(0.1)
    kinds = (*OF_CATEGORIES, OF_PRODUCTS)
    regional, explained = regional_effects(cells, exposures, residuals, CODES, CATEGORIES, NOISE, MEAN, kinds)
    every = np.arange(PRODUCTS)
    north, south = (regional.of(region) for region in ("north", "south"))
    others = np.setdiff1d(every, LIKED_IN_NORTH)
    apart = of_products(north, every) - of_products(south, every)
    assert (apart[list(LIKED_IN_NORTH)] > 0.05).all()
    assert np.abs(apart[others]).max() < 0.04
    assert np.abs(north.effects[:, 0] - south.effects[:, 0]).max() < 0.02
    left = (residuals - explained) / exposures
    assert np.abs(left[list(LIKED_IN_NORTH)]).max() < 0.06  # half of 0.1 is what the product earned in the mean of both


def test_a_product_is_known_the_better_in_a_region_the_more_it_was_shown_there() -> None:
    counts = np.full((2, PRODUCTS), 100.0)
    counts[0, 5], counts[1, 5] = 4_000.0, 1.0
    cells, exposures, residuals = shown(counts)
    regional, _ = regional_effects(cells, exposures, residuals, CODES, CATEGORIES, NOISE, MEAN, (OF_PRODUCTS,))
    variance = {
        region: regional.of(region).effects[CODES[5], 1] + regional.of(region).values[5, 1]
        for region in ("north", "south")
    }
    unknown = regional.of("elsewhere").effects[CODES[5], 1]
    assert variance["north"] == pytest.approx(OF_PRODUCTS_DRAWN * NOISE / 4_000, rel=0.5)
    assert variance["north"] < variance["south"] / 5
    assert variance["south"] < unknown
    assert len(regional.of("elsewhere").rows) == len(regional.of("").rows) == 0
    assert not of_products(regional.of("elsewhere"), np.arange(PRODUCTS)).any()


def test_a_product_that_few_took_from_a_region_gets_no_effect_of_the_others() -> None:
    """Without effects of products there are none, and a region's list is empty."""
    cells, exposures, residuals = liked_in_north(0.1)
    regional, _ = regional_effects(cells, exposures, residuals, CODES, CATEGORIES, NOISE, MEAN, OF_CATEGORIES)
    assert len(regional.of("north").rows) == 0
    assert not of_products(regional.of("north"), np.arange(PRODUCTS)).any()


def test_each_region_is_shown_the_products_that_it_likes() -> None:
    chooser = regional_chooser()
    x = np.eye(1, DIMENSION, dtype=np.float16).tobytes()
    examples = [
        Example(T0, f"p{number}", x, 1.0, reward, reward, region=region)
        for _ in range(60)
        for number in range(PRODUCTS)
        for region, liked in (("north", LIKED_IN_NORTH), ("south", ()))
        for reward in (0.4 * (number in liked),)
    ]
    chooser.use_model(predictor_of(examples, DIMENSION))
    names = {f"p{number}" for number in LIKED_IN_NORTH}
    slate = chooser.choose(context("north"), profile_version=1, cause=b"")
    assert set(slate.product_ids[:3]) == names
    expected = chooser.predict(slate, "north")
    chooser.choose(context("south"), profile_version=1, cause=b"")
    np.testing.assert_allclose(chooser.predict(slate, "north"), expected, atol=2e-3)
    assert (chooser.predict(slate, "south")[:3] < expected[:3] - 0.02).all()
    best = chooser.first_pass.best(context("north"), chooser.catalogue, PRODUCTS)
    assert {chooser.catalogue.product_ids[row] for row in best.rows[:3]} == names


def test_a_session_is_shown_what_its_device_likes() -> None:
    of = {device: group_of("", [f"device:{device}"], REGION | DEVICE) for device in ("phone", "tablet")}
    effects = ["region_category", "device_category"]
    chooser = regional_chooser({of["phone"]: 0, of["tablet"]: 1}, effects=effects)
    visit = Visit(Personalizer(chooser.settings, chooser, b"salt"))
    visit.send(event(product_id="p2", category_id="c2", device="phone"))
    assert visit.session.slates[-1].category_ids[:5].count("c0") >= 4
    visit.send(event(at_ms=5_000, product_id="p2", category_id="c2", device="tablet"))
    slate = visit.session.slates[-1]
    assert slate.category_ids[:5].count("c1") >= 4
    visit.send(visit.impression(6_000, device="tablet"))
    visit.pass_watermark(T0 + 2 * 3_600_000)
    told = {example.region for example in visit.examples() if example.product_id in slate.product_ids[:5]}
    assert of["tablet"] in told
    assert told <= set(of.values())
