"""Slates drawn by a kernel under rules that look at the items above, taken apart as a `Plan`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from state.kernels import Balance, draw_down_scores
from state.policy.base import Choice, Decision, Values
from state.policy.rules import Mask, Plan

NO_CAPS = np.full(2, np.iinfo(np.int64).max)


def choose_by_scores(
    decision: Decision, plan: Plan, scores: Values, temperature: float, slots: int, rng: np.random.Generator
) -> Choice:
    """Return items in proportion to exp(score/temperature), or at 0 the best by score; see `draw_down_scores`."""
    scores, values = (plan.fixed.rescore(numbers, ()) for numbers in (scores, decision.values))
    allowed, pins, balance = kernel_rules(plan, len(scores), slots)
    uniforms = rng.random((2, slots))
    return choice_of(
        draw_down_scores(scores, values, temperature, allowed, decision.floor, uniforms, pins, balance), plan.pins
    )


def kernel_rules(plan: Plan, n: int, slots: int) -> tuple[Mask, NDArray[np.int64], Balance]:
    """Return a plan's part of a kernel's arguments over n candidates: what is allowed, the pins by slot, and the balance."""
    allowed = plan.fixed.allowed(n, ())
    pins = np.full(slots, -1, dtype=np.int64)
    for position, item in plan.pins.items():
        if position < slots:
            pins[position] = item
    nothing = np.zeros(n, dtype=np.float32)
    balance = plan.balance or Balance(np.zeros(n, dtype=np.int64), nothing > 0, NO_CAPS, 0.0, nothing, nothing)
    return np.ones(n, dtype=np.bool_) if allowed is None else allowed, pins, balance


def choice_of(drawn: NDArray[np.float64], pins: Mapping[int, int]) -> Choice:
    """Return what a kernel drew, (3, k)."""
    order = drawn[0].astype(np.int64).tolist()
    pinned = [position in pins for position in range(len(order))]
    return Choice(order, drawn[1].tolist(), (drawn[2] > 0).tolist(), pinned)
