"""Ranks policies on logged data alone."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivr.data.dataset import OfflineDataset
from ivr.data.serving.returns import discounted_returns, first_transitions
from ivr.data.transforms.split import Split
from ivr.errors import UserError, counted
from ivr.evaluation.task.task import Task
from ivr.selection.candidates import Candidate, PolicySet
from ivr.selection.cloning import clone_behaviour
from ivr.selection.criteria import judged, recommended_bounds_held
from ivr.selection.critics import Critics
from ivr.selection.estimates import Estimate, Ranking, recommend, warnings_of
from ivr.selection.interval import interval
from ivr.selection.options import Options
from ivr.selection.overlap import Overlap
from ivr.selection.own import own_td_errors, own_values
from ivr.selection.recorded import in_recorded_rewards
from ivr.selection.truth import initial_observations, truth
from ivr.selection.weighted import Beginnings, weighted

CLONE = "cloned behaviour"
_RECORDED = "recorded rewards"
_FEW = 10
"""Episodes below which their bootstrap says little of another sample of them."""
_RESETS = 100
"""Initial states that are drawn of an environment."""


def rank(
    policies: PolicySet,
    dataset: OfflineDataset,
    *,
    discount: float,
    held_out: OfflineDataset | None = None,
    options: Options | None = None,
    task: Task | None = None,
    truth_episodes: int = 0,
    device: str = "cpu",
    folder: Path | None = None,
) -> Ranking:
    """Estimate what policies are worth from data, and choose one.

    Fitted Q-evaluation of all of them and of the cloned behaviour policy, in one stack, and beside
    it what else is honest. Every number is a function of the arguments: a call that was killed
    gives the same bits when it is repeated, and with a folder it resumes.

    Args:
        policies: P of them.
        dataset: in the units that the policies act on; rewards are taken as they were recorded.
        discount: gamma, below 1.
        held_out: episodes that the policies were not trained on; None to hold `options.split` of
            the dataset's out of the fit.
        options: of the evaluation.
        task: the environment, for `options.initial` and for the truth; None without one.
        truth_episodes: of each policy in the environment; 0 for none.
        device: where networks are trained; all else happens on the CPU, where policies are.
        folder: of the critics' checkpoints.

    Returns:
        The estimates, the highest lower bound first.

    Raises:
        UserError: no policies, a discount of 1, a single episode and nothing held out, or no
            environment where it is needed.
    """
    options = options or Options()
    if not policies.candidates:
        raise UserError("there is no policy to rank")
    if not 0 <= discount < 1:
        raise UserError(f"discount={discount}: must lie in [0, 1), or values have no bounds")
    if task is None and (truth_episodes or options.initial == "evaluation"):
        raise UserError("no environment: leave episodes= and initial=evaluation out")
    recorded = in_recorded_rewards(dataset)
    if held_out is None:
        training, kept = Split(options.split)(recorded)
    else:
        training, kept = recorded, in_recorded_rewards(held_out)
    overlap = Overlap.measured(clone_behaviour(training, options, device, folder), training)
    actions = actions_of_kept = _actions(policies, overlap, recorded.observations, recorded)
    if kept.observations is not recorded.observations:
        actions_of_kept = _actions(policies, overlap, kept.observations, recorded)
    critics = Critics.fitted(training, actions, discount, options, device, folder)
    first = recorded.rows[first_transitions(recorded)]
    starts, at_starts = recorded.observations[first], actions[:, first]
    if options.initial == "evaluation" and task is not None:
        starts = initial_observations(task, _RESETS)
        at_starts = _actions(policies, overlap, starts, recorded)
    values = critics.values(starts, at_starts)
    found = interval(values, options.level, critics.limits)
    gain = interval(values - values[-1:], options.level)
    td_kept, td_training = critics.td(kept, actions_of_kept), critics.td(training, actions)
    outside = overlap.outside(recorded, actions)
    own = [*own_values(policies, starts, at_starts[:-1]), None]
    own_td = [*own_td_errors(policies, kept), None]
    estimates = [
        Estimate(
            candidate,
            value=float(found.estimate[p]),
            lower=float(found.lower[p]),
            upper=float(found.upper[p]),
            disagreement=float(found.disagreement[p]),
            outside=float(outside[p]),
            td_error=td_kept.error[p],
            td_error_training=td_training.error[p],
            unsettled=abs(td_training.mean[p]) / (1 - discount),
            clipped=td_training.clipped[p],
            cut=td_training.cut[p],
            gain=float(gain.lower[p]),
            own_value=own[p],
            own_td_error=own_td[p],
        )
        for p, candidate in enumerate([*policies.candidates, Candidate(CLONE)])
    ]
    if options.initial == "data":
        begin = Beginnings.of(recorded, options.horizon)
        for p, one in enumerate(estimates):
            sampled = weighted(recorded, begin, actions[p], overlap, critics.of(p), discount)
            estimates[p] = dataclasses.replace(one, **dataclasses.asdict(sampled))
    played: dict[str, Any] = {"environment": None, "truth_episodes": None, "truth_tail": None}
    if truth_episodes and task is not None:
        known = truth(
            task, policies, episodes=truth_episodes, discount=discount, limits=critics.limits
        )
        for p, (mean, error) in enumerate(zip(known.mean, known.error, strict=True)):
            estimates[p] = dataclasses.replace(
                estimates[p], truth=float(mean), truth_error=float(error)
            )
        played = {
            "environment": task.environment,
            "truth_episodes": truth_episodes,
            "truth_tail": float(known.tail.max()),
        }
    estimates = [
        dataclasses.replace(one, warnings=warnings_of(one, critics.spread)) for one in estimates
    ]

    def behind(one: Estimate, best: Estimate) -> bool:
        """Whether one policy is worse than the other, each critic of it beside the other's."""
        a, b = (values[estimates.index(each)] for each in (one, best))
        return bool(interval((b - a)[None], options.level).lower > 0)

    clone = estimates[-1]
    ordered = sorted(estimates[:-1], key=_order, reverse=True)
    judgement, held = judged(ordered, any(group.reward_shift for group in policies.groups))
    returns, left = discounted_returns(recorded, discount)
    facts = {
        "data": recorded.info.source,
        "dataset": recorded.info.name,
        "fingerprint": dataset.info.fingerprint,
        "transitions": recorded.num_transitions,
        "episodes": recorded.info.episodes,
        "held_out_episodes": kept.info.episodes,
        "held_out_by_the_runs": held_out is not None,
        "rewards": _RECORDED if dataset.info.reward_scale > 0 else f"{_RECORDED}, times -1",
        "discount": discount,
        "attainable": list(critics.limits),
        "spread_of_returns": critics.spread,
        "initial_states": len(starts),
        "options": dataclasses.asdict(options),
        **played,
    }
    recommendation = recommend(ordered, clone, behind)
    # Critics begin at what the data returned: so long does a value take to an episode's start.
    way, against = 1 / (options.target_tau * (1 - discount)), []
    if options.num_updates < 2 * way:
        against.append(
            f"Do not rely on it: {options.num_updates:,} updates are too few for values to reach "
            f"the start of a long episode ({way:,.0f} to get there). Until then every policy looks "
            "like the data. Raise num_updates."
        )
    if training.info.episodes < _FEW:
        against.append(
            f"Do not rely on it: critics are fitted to {counted(training.info.episodes, 'episode')}"
            f", and the interval is that of resampling them, which takes {_FEW} at least."
        )
    recommendation = dataclasses.replace(recommendation, trust=(*against, *recommendation.trust))
    return Ranking(
        estimates=ordered,
        returned=float(returns.mean()),
        behaviour=float((returns + left * _tails(critics, recorded, actions)).mean()),
        clone=clone,
        recommendation=recommendation,
        facts=facts,
        left_out=policies.left_out,
        metrics=judgement,
        held=held,
        held_recommended=recommended_bounds_held(ordered),
    )


def _order(one: Estimate) -> tuple[float, float]:
    """The lower bound, and of equal ones the estimate; NaN comes last."""
    return (-math.inf, 0) if math.isnan(one.lower) else (one.lower, one.value)


def _actions(
    policies: PolicySet, overlap: Overlap, observations: Tensor, dataset: OfflineDataset
) -> Tensor:
    """What the policies do, and after them the clone: (P + 1, N, A), scaled."""
    cloned = [overlap.mode(rows) for rows in torch.split(observations, 1 << 15)]
    return torch.cat((policies.actions_at(observations, dataset), torch.cat(cloned)[None]))


def _tails(critics: Critics, dataset: OfflineDataset, actions: Tensor) -> Tensor:
    """What the cloned policy is worth where each episode was cut off, (E,); 0 where it ended."""
    last = torch.unique(dataset.ends)
    rows = dataset.rows[last] + 1
    worth = critics.of(len(actions) - 1)(dataset.observations[rows], actions[-1, rows])
    return worth * ~dataset.terminated[last]
