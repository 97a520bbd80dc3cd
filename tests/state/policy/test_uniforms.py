"""Random numbers by their address."""

import ctypes

import numpy as np

from state.policy import uniforms
from state.policy.normals import SIZE, Normals
from state.policy.uniforms import Uniforms


def test_each_number_is_handed_out_once_in_the_generators_order() -> None:
    source = Uniforms(np.random.default_rng(1))
    sizes = [3, uniforms.SIZE - 5, 4, 2 * uniforms.SIZE, 1]
    found = [number for size in sizes for number in (ctypes.c_double * size).from_address(source.allocate(size))]
    assert found == np.random.default_rng(1).random(sum(sizes)).tolist()


def test_normal_variables_are_the_same_by_address() -> None:
    by_address, by_array = (Normals(np.random.default_rng(1)) for _ in range(2))
    for size in (10, 500, SIZE):
        found = (ctypes.c_float * size).from_address(by_address.address(size))
        assert list(found) == by_array.draw(size).tolist()
