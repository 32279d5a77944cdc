"""Ranks policies on logged data alone."""

import dataclasses
import logging
import math
from pathlib import Path

import torch
from torch import Tensor

from ivr.algos.bc import BehaviourCloning
from ivr.data.dataset import OfflineDataset
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.transforms.normalisation import Standard
from ivr.data.transforms.picking import digest
from ivr.data.transforms.selection import select
from ivr.data.transforms.split import Split
from ivr.errors import UserError
from ivr.evaluation.task.task import Task
from ivr.selection import fitting
from ivr.selection.candidates import Candidate, PolicySet
from ivr.selection.criteria import judged
from ivr.selection.critics import Critics, sample
from ivr.selection.estimates import Estimate, Ranking, recommend, warnings_of
from ivr.selection.interval import interval
from ivr.selection.options import Options
from ivr.selection.overlap import Overlap
from ivr.selection.recorded import (
    discounted_returns,
    first_transitions,
    in_recorded_rewards,
)
from ivr.selection.truth import initial_observations, truth
from ivr.selection.weighted import Beginnings, weighted
from ivr.types import Needs

log = logging.getLogger(__name__)

CLONE = "cloned behaviour"
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
        UserError: no policies, a discount of 1, too few episodes, or no environment where it is
            needed.
    """
    options = options or Options()
    if not policies.candidates:
        raise UserError("there is no policy to rank")
    if not 0 <= discount < 1:
        raise UserError(f"discount={discount}: must lie in [0, 1), or values have no bounds")
    if task is None and (truth_episodes or options.initial == "evaluation"):
        raise UserError("no environment: leave truth=true and initial=evaluation out")
    recorded = in_recorded_rewards(dataset)
    if held_out is None:
        training, kept = Split(options.split)(recorded)
    else:
        training, kept = recorded, in_recorded_rewards(held_out)
    overlap = _clone(training, options, device, folder)
    actions = actions_of_kept = _actions(policies, overlap, recorded.observations, recorded)
    if kept.observations is not recorded.observations:
        actions_of_kept = _actions(policies, overlap, kept.observations, recorded)
    critics = Critics.fitted(training, actions, discount, options, device, folder)
    starts = recorded.observations[recorded.rows[first_transitions(recorded)]]
    at_starts = actions[:, recorded.rows[first_transitions(recorded)]]
    if options.initial == "evaluation":
        assert task is not None
        starts = initial_observations(task, _RESETS)
        at_starts = _actions(policies, overlap, starts, recorded)
    values = critics.values(starts, at_starts)
    found = interval(values, options.level, critics.limits)
    gain = interval(values - values[-1:], options.level)
    td_kept = critics.td(kept, actions_of_kept)
    td_training = critics.td(training, actions)
    outside = overlap.outside(recorded, actions)
    own = _own_values(policies, starts, at_starts[:-1])
    own_td = _own_td_errors(policies, kept)
    candidates = [*policies.candidates, Candidate(CLONE)]
    begin = Beginnings.of(recorded, options.horizon)
    known = None
    if truth_episodes and task is not None:
        known = truth(
            task, policies, episodes=truth_episodes, discount=discount, limits=critics.limits,
        )  # fmt: skip
    estimates = []
    for p, candidate in enumerate(candidates):
        one = Estimate(
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
            own_value=own[p] if p < len(own) else None,
            own_td_error=own_td[p] if p < len(own) else None,
        )
        if options.initial == "data":
            critic = critics.of(p)
            sampled = weighted(recorded, begin, actions[p], overlap, critic, discount)
            one = dataclasses.replace(one, **dataclasses.asdict(sampled))
        if known is not None and p < len(own):
            one = dataclasses.replace(
                one, truth=float(known.mean[p]), truth_error=float(known.error[p])
            )
        estimates.append(dataclasses.replace(one, warnings=warnings_of(one, critics.spread)))
    clone = estimates.pop()
    place = {one.candidate.name: p for p, one in enumerate(estimates)}
    ordered = sorted(estimates, key=_order, reverse=True)

    def behind(one: Estimate, best: Estimate) -> bool:
        """Whether one policy is worse than the other, each critic of it beside the other's."""
        a, b = (values[place[each.candidate.name]] for each in (one, best))
        return bool(interval((b - a)[None], options.level).lower > 0)

    shifted = any(group.reward_shift for group in policies.groups)
    judgement, held = judged(ordered, shifted)
    returns, left = discounted_returns(recorded, discount)
    behaviour = float((returns + left * _tails(critics, recorded, actions)).mean())
    facts = {
        "data": recorded.info.source,
        "dataset": recorded.info.name,
        "fingerprint": dataset.info.fingerprint,
        "transitions": recorded.num_transitions,
        "episodes": recorded.info.episodes,
        "held_out_episodes": kept.info.episodes,
        "held_out_by_the_runs": held_out is not None,
        "discount": discount,
        "attainable": list(critics.limits),
        "spread_of_returns": critics.spread,
        "initial_states": len(starts),
        "options": dataclasses.asdict(options),
        "environment": None if known is None or task is None else task.environment,
        "truth_episodes": truth_episodes if known is not None else None,
        "truth_tail": None if known is None else float(known.tail.max()),
    }
    chosen = recommend(ordered, clone, behind)
    return Ranking(ordered, behaviour, clone, chosen, facts, policies.left_out, judgement, held)


def _order(one: Estimate) -> tuple[float, float]:
    """The lower bound, and of equal ones the estimate; NaN comes last."""
    return (-math.inf, 0) if math.isnan(one.lower) else (one.lower, one.value)


def _clone(data: OfflineDataset, options: Options, device: str, folder: Path | None) -> Overlap:
    """Clone the policy that made the data, and measure how far its actions lie from the clone."""
    updates = min(options.cloning_updates, options.num_updates)
    served = TransitionDataModule(
        data.to(device),
        seeds=[0],
        batch_size=min(options.batch_size, data.num_transitions),
        num_updates=updates,
        chunk=50,
        boundaries=(fitting.save_interval(updates),),
    )
    normal = Standard().fit(data, None)
    clone = BehaviourCloning(
        observation_dim=data.observation_dim,
        action_low=data.info.action_low,
        action_high=data.info.action_high,
        hidden=options.hidden,
        actor_lr=1e-3,
        seeds=[0],
        num_updates=updates,
        input_mean=normal["input_mean"],
        input_scale=normal["input_scale"],
    )
    log.info("clones the policy that made the data")
    mark = digest(data.info.fingerprint, repr(options))
    fitting.train(clone, served, device, folder=folder and folder / "clone", mark=mark)
    return Overlap.measured(clone, data)


def _actions(
    policies: PolicySet, overlap: Overlap, observations: Tensor, dataset: OfflineDataset
) -> Tensor:
    """What the policies do, and after them the clone: (P + 1, N, A), scaled."""
    cloned = [overlap.mode(rows) for rows in torch.split(observations, 1 << 15)]
    return torch.cat((policies.actions_at(observations, dataset), torch.cat(cloned)[None]))


def _own_values(policies: PolicySet, starts: Tensor, actions: Tensor) -> list[float | None]:
    found: list[float | None] = []
    parts = torch.split(actions, [len(group.candidates) for group in policies.groups])
    for group, taken in zip(policies.groups, parts, strict=True):
        own = group.own_value(starts, taken)
        found += [None] * len(taken) if own is None else own.double().mean(1).tolist()
    return found


def _own_td_errors(policies: PolicySet, held_out: OfflineDataset) -> list[float | None]:
    chosen = select(held_out, Needs(next_actions=True))
    index = sample(held_out)
    if chosen is not None:
        index = index[torch.isin(index, chosen)]
    batch = held_out.gather(index, next_actions=True)
    found: list[float | None] = []
    for group in policies.groups:
        own = group.own_td_error(batch)
        found += [None] * len(group.candidates) if own is None else own.tolist()
    return found


def _tails(critics: Critics, dataset: OfflineDataset, actions: Tensor) -> Tensor:
    """What the cloned policy is worth where each episode was cut off, (E,); 0 where it ended."""
    last = torch.unique(dataset.ends)
    rows = dataset.rows[last] + 1
    worth = critics.of(len(actions) - 1)(dataset.observations[rows], actions[-1, rows])
    return worth * ~dataset.terminated[last]
