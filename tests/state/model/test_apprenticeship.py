"""How far the model has come against the shop's order: from sums that merge, forget and go over a restart as all others."""

from itertools import pairwise

import numpy as np
import pytest

from state.feature_set import DIMENSION
from state.model.apprenticeship import ENOUGH, LEAST_SHARE, SURE, lead_of_model, share_of_model
from state.model.sums import CHOSEN, FOLLOWED, Example, Sums
from tests.state.shop import HOUR, T0, predictor_of

NOISE = 0.04


def exposures(arm: int, count: int, reward: float, at_ms: int = T0) -> list[Example]:
    x = np.zeros(DIMENSION, np.float16)
    x[0] = 1
    return [Example(at_ms, f"p{n % 7}", x.tobytes(), 1.0, reward, reward**2, arm=arm) for n in range(count)]


def compared(
    followed: tuple[float, float], chosen: tuple[float, float]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([followed, chosen])


def test_the_lead_is_the_difference_of_rates_in_standard_errors() -> None:
    lead = lead_of_model(compared((400.0, 40.0), (100_000.0, 12_000.0)), NOISE)
    assert lead == pytest.approx(0.02 / (NOISE * (1 / 400 + 1 / 100_000)) ** 0.5)
    assert lead_of_model(compared((400.0, 48.0), (100_000.0, 10_000.0)), NOISE) < 0


def test_without_evidence_of_one_side_there_is_no_lead() -> None:
    nothing = (0.0, 0.0)
    assert lead_of_model(compared((10_000.0, 100.0), nothing), NOISE) == 0
    assert lead_of_model(compared(nothing, (10_000.0, 5_000.0)), NOISE) == 0
    assert share_of_model(0.0) == LEAST_SHARE


def test_little_evidence_counts_less_and_the_share_has_no_steps() -> None:
    """Where the model chooses alone, what is known of the shop's order fades away: with it, little by little, its share."""
    of_shop = [ENOUGH * 2 ** (-step / 8) for step in range(80)]
    leads = [lead_of_model(compared((n, 0.03 * n), (1e6, 0.12 * 1e6)), NOISE) for n in of_shop]
    assert leads[0] == pytest.approx(0.09 / (NOISE * (1 / ENOUGH + 1e-6)) ** 0.5)
    assert leads[8] == pytest.approx(leads[0] / 2, rel=1e-3)
    shares = [share_of_model(lead) for lead in leads]
    assert shares[0] == 1.0
    assert shares[-1] == LEAST_SHARE
    assert max(before - after for before, after in pairwise(shares)) < 0.07


def test_the_models_share_grows_with_its_lead_until_it_is_sure() -> None:
    shares = [share_of_model(lead) for lead in (-5.0, 0.0, 0.5, 1.0, 2.0, SURE - 1e-9)]
    assert shares == sorted(shares)
    assert shares[:2] == [LEAST_SHARE, LEAST_SHARE]
    assert shares[3] == pytest.approx(0.6827, abs=1e-4)
    assert shares[-1] < 1.0
    assert share_of_model(SURE) == 1.0


def test_both_sides_are_counted_and_what_is_taken_back_is_gone() -> None:
    sums = Sums(DIMENSION, None)
    sums.add([*exposures(FOLLOWED, 3, 0.2), *exposures(CHOSEN, 5, 0.6), *exposures(0, 4, 1.0)])
    assert sums.compared == pytest.approx(compared((3, 0.6), (5, 3.0)))
    back = exposures(CHOSEN, 1, 0.6)[0]
    sums.add([Example(T0, back.product_id, back.x, -1.0, -0.6, -0.36, arm=CHOSEN)])
    assert sums.compared == pytest.approx(compared((3, 0.6), (4, 2.4)))


def test_shards_merge_forget_and_come_back_exactly() -> None:
    shards = [Sums(DIMENSION, HOUR) for _ in range(3)]
    for number, shard in enumerate(shards):
        shard.add(exposures(FOLLOWED, 2 + number, 0.5, T0 + number * HOUR))
        shard.add(exposures(CHOSEN, 1 + number, 0.25, T0))
    whole = Sums(DIMENSION, HOUR)
    for shard in shards:
        restored = Sums.decode(shard.encode())
        assert restored.compared.tolist() == shard.compared.tolist()
        whole.merge(restored)
    now_ms = T0 + 3 * HOUR
    faded = whole.fade(now_ms) * whole.compared
    assert faded[0] == pytest.approx([2 / 8 + 3 / 4 + 4 / 2, 0.5 * (2 / 8 + 3 / 4 + 4 / 2)])
    assert faded[1] == pytest.approx([6 / 8, 0.25 * 6 / 8])
    whole.merge(shards[1], sign=-1)
    assert (whole.fade(now_ms) * whole.compared)[0, 0] == pytest.approx(2 / 8 + 4 / 2)
    moved = whole.under(2 * HOUR, now_ms)
    assert moved.fade(now_ms) * moved.compared == pytest.approx(whole.fade(now_ms) * whole.compared)


def test_bytes_are_of_the_older_version_where_nothing_is_compared() -> None:
    sums = Sums(DIMENSION, None)
    sums.add(exposures(0, 4, 1.0))
    assert sums.encode()[:1] == b"\x03"
    sums.add(exposures(FOLLOWED, 1, 1.0))
    assert sums.encode()[:1] == b"\x04"


def test_a_reader_finds_the_lead_in_the_snapshot() -> None:
    even = predictor_of([*exposures(FOLLOWED, 300, 0.1), *exposures(CHOSEN, 300, 0.1)], DIMENSION)
    assert even.lead == 0
    ahead = predictor_of([*exposures(FOLLOWED, 300, 0.1), *exposures(CHOSEN, 300, 0.9)], DIMENSION)
    assert ahead.lead > SURE
