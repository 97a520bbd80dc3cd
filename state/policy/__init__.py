"""Policies: how the items of a slate are chosen, slot by slot, and with which probabilities."""

from state.configuration import Bandit
from state.model.river.learner import create
from state.policy.base import Choice, Decision, Policy
from state.policy.belief import Belief
from state.policy.epsilon_greedy import Decreasing, EpsilonGreedy, First, Fixed
from state.policy.lin_ucb import LinUCB
from state.policy.product_ucb import UCB1, BayesUCB
from state.policy.river import RiverPolicy
from state.policy.rules import NO_RULES, Rules, combine
from state.policy.softmax import Softmax
from state.policy.thompson import BetaThompson, LinearThompson


def policy_from(bandit: Bandit) -> Policy:
    """Return the configured policy."""
    floor, prior = bandit.floor, bandit.prior_exposures
    match bandit.policy:
        case "uniform":
            return EpsilonGreedy(Fixed(1.0), floor)
        case "epsilon_greedy":
            return EpsilonGreedy(Fixed(bandit.epsilon), floor)
        case "epsilon_decreasing":
            return EpsilonGreedy(Decreasing(bandit.epsilon, bandit.epsilon_tau), floor)
        case "epsilon_first":
            return EpsilonGreedy(First(bandit.explore_first), floor)
        case "softmax":
            return Softmax(bandit.temperature, floor)
        case "ucb1":
            return UCB1(bandit.confidence, prior, floor)
        case "bayes_ucb":
            return BayesUCB(bandit.confidence, prior, floor)
        case "lin_ucb":
            return LinUCB(bandit.confidence, floor)
        case "thompson_beta":
            return BetaThompson(bandit.draws, prior, floor)
        case "thompson_linear":
            return LinearThompson(bandit.draws, bandit.confidence, floor)
        case "river":
            return RiverPolicy(create(bandit.river, bandit.river_parameters), bandit.epsilon, bandit.draws, floor)


__all__ = ["NO_RULES", "Belief", "Choice", "Decision", "Policy", "Rules", "combine", "policy_from"]
