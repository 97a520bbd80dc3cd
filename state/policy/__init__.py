"""Policies: how the items of a slate are chosen, slot by slot, and with which probabilities."""

from state.configuration import Bandit
from state.policy.base import Choice, Policy
from state.policy.epsilon_greedy import EpsilonGreedy


def policy_from(bandit: Bandit) -> Policy:
    """The configured policy; `uniform`, the control, is ε-greedy that always explores."""
    return EpsilonGreedy(1.0 if bandit.policy == "uniform" else bandit.epsilon)


__all__ = ["Choice", "EpsilonGreedy", "Policy", "policy_from"]
