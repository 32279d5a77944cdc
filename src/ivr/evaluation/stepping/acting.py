"""Lets policies act, those that remember their episode and those that do not."""

from ivr.types import ActFunction, Policy, RememberingPolicy


def begin_episodes(policy: Policy, slots: int) -> ActFunction:
    """Begin `slots` episodes in parallel for each member of a policy."""
    if isinstance(policy, RememberingPolicy):
        return policy.begin(slots)
    return lambda observations, rewards, starts: policy.act(observations)
