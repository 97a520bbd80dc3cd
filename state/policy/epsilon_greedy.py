"""ε-greedy with three schedules.

Sutton and Barto 2018, "Reinforcement Learning", section 2.2, in every slot: p(i) = (1 - ε)·[i is the best eligible] + ε/m for
m eligible candidates.
"""

from abc import ABC, abstractmethod

import numpy as np

from state.policy.base import Policy
from state.policy.belief import Belief
from state.policy.ranking import RankedDecision
from state.policy.rules import NO_RULES, Rules


class Schedule(ABC):
    """ε as a function of the exposures that the snapshot learned from."""

    @abstractmethod
    def epsilon(self, total: float) -> float:
        """Return ε in [0, 1] at t = `total` (weighted) exposures."""


class Fixed(Schedule):
    """Schedule with always the same ε; 1 is the uniform policy, the control of experiments."""

    def __init__(self, epsilon: float) -> None:
        self._epsilon = epsilon

    def epsilon(self, total: float) -> float:
        """See `Schedule.epsilon`."""
        return self._epsilon


class Decreasing(Schedule):
    """ε₀/(1 + t/τ): Auer, Cesa-Bianchi, Fischer 2002, "Finite-time analysis of the multiarmed bandit problem", figure 3, made
    smooth at the start. With forgetting t is bounded, and so ε does not vanish where the world may change."""

    def __init__(self, epsilon: float, tau: float) -> None:
        self._epsilon = epsilon
        self._tau = tau

    def epsilon(self, total: float) -> float:
        """See `Schedule.epsilon`."""
        return self._epsilon / (1 + max(0.0, total) / self._tau)


class First(Schedule):
    """1 for the first n exposures, then 0: explore, then commit (Lattimore and Szepesvári 2020, "Bandit Algorithms", ch. 6)."""

    def __init__(self, exposures: float) -> None:
        self._exposures = exposures

    def epsilon(self, total: float) -> float:
        """See `Schedule.epsilon`."""
        return 1.0 if total < self._exposures else 0.0


class EpsilonGreedy(Policy):
    """The largest expected reward, except for the schedule's share of uniform draws, which is never below the floor."""

    def __init__(self, schedule: Schedule, floor: float) -> None:
        self.schedule = schedule
        self.floor = floor

    def decide(self, belief: Belief, rng: np.random.Generator, rules: Rules = NO_RULES) -> RankedDecision:
        """See `Policy.decide`."""
        return RankedDecision(belief.mean, belief.mean, self.share(belief.total), rules)

    def share(self, total: float) -> float:
        """Return the share of uniform draws at so many (weighted) exposures."""
        return max(self.floor, self.schedule.epsilon(total))
