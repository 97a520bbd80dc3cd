"""Sums per product: they grow, merge, move between landmarks, and come back from bytes."""

import numpy as np

from state.model.product_sums import ProductSums


def test_rows_survive_growth_merging_and_bytes() -> None:
    rng = np.random.default_rng(1)
    one, two = ProductSums(3), ProductSums(3)
    expected = {f"p{i}": np.zeros(5) for i in range(100)}
    for step in range(1_000):
        product, x = f"p{rng.integers(100)}", rng.normal(size=3)
        weight, reward = float(rng.random()), float(rng.random())
        (one if step % 2 else two).add([product], weight * np.array([[1, reward, 0.0]]), x[None])
        expected[product] += weight * np.array([1, reward, *x])
    merged = ProductSums.decode(ProductSums.decode(one.encode()).encode())
    merged.scale(0.5)
    merged.merge(two.drain(), 0.5)
    assert len(two) == 0
    assert len(two.drain()) == 0
    for product, row in zip(merged.product_ids, merged.table, strict=True):
        np.testing.assert_allclose(row, expected[product] / 2)


def test_what_is_forgotten_is_the_least_shown() -> None:
    sums = ProductSums(1)
    for i in range(40):
        sums.add([f"p{i}"], np.array([[float(i), 0.0, 0.0]]), np.ones((1, 1)))
    sums.keep(sums.most_shown()[:10].tolist())
    assert sums.product_ids == [f"p{i}" for i in range(39, 29, -1)]
    sums.add(["new"], np.ones((1, 3)), np.ones((1, 1)))
    assert sums.table[-1].tolist() == [1.0, 1.0, 1.0]
    assert ProductSums.decode(ProductSums(4).encode()).table.shape == (0, 6)
