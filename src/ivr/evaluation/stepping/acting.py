"""A policy at play: most see the latest observation alone, some remember the episode."""

from ivr.types import ActFunction, Policy, RememberingPolicy


def begin_episodes(policy: Policy, slots: int) -> ActFunction:
    """Start playing `slots` episodes side by side for each member of a policy."""
    if isinstance(policy, RememberingPolicy):
        return policy.begin(slots)
    return lambda observations, rewards, starts: policy.act(observations)
