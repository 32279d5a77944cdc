"""Whether policies can be ranked on a dataset: what both say of themselves is compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from ivr.agreement.bounds import same_bounds
from ivr.data.dataset import OfflineDataset
from ivr.errors import UserError
from ivr.selection.candidates import PolicySet


def check_suited(
    policies: PolicySet, descriptions: Sequence[Mapping[str, Any]], dataset: OfflineDataset
) -> None:
    """Refuse data whose numbers mean something else to the policies.

    Args:
        policies: that are to be ranked.
        descriptions: what the checkpoint of each of their groups says of its run.
        dataset: what they are to be ranked on.

    Raises:
        UserError: other sizes, names or bounds, a reward that the policies minimise, or pieces of
            episodes, which begin where no episode does and are like the next ones.
    """
    info = dataset.info
    has = (dataset.observation_dim, dataset.action_dim)
    for group, description in zip(policies.groups, descriptions, strict=True):
        known, name = description["dataset"], group.candidates[0].name
        wants = (known["observation_dim"], len(known["action_low"]))
        if has != wants:
            raise UserError(
                f"{name} takes {wants[0]} numbers and gives {wants[1]}, and {info.name} has "
                f"{has[0]} and {has[1]}: rank it on the data of its robot"
            )
        for kind in ("observation", "action"):
            ours, theirs = getattr(info, f"{kind}_names"), known.get(f"{kind}_names") or ()
            if ours and theirs and tuple(theirs) != ours:
                raise UserError(
                    f"{name} was trained on the {kind}s {', '.join(theirs)}, and those of "
                    f"{info.name} are {', '.join(ours)}: give the same in the same order (of a "
                    f"table with dataset.columns.{kind}s=[...])"
                )
        bounds = list(known["action_low"]), list(known["action_high"])
        if not same_bounds((info.action_low, info.action_high), bounds):
            raise UserError(
                f"{name} acts between {bounds[0]} and {bounds[1]}, and the actions of {info.name} "
                f"lie between {list(info.action_low)} and {list(info.action_high)}: give "
                f"dataset.action_low={_listed(bounds[0])} "
                f"dataset.action_high={_listed(bounds[1])}, and dataset.actions=clip where some "
                "lie beyond"
            )
        if (group.reward_scale < 0) != (info.reward_scale < 0):
            raise UserError(
                f"{name} was trained with rewards times {group.reward_scale:g}, and the ranking "
                f"has them times {info.reward_scale:g}: of two opposite signs one minimises what "
                "the other maximises. Give the ranking the policy's dataset.reward and "
                "dataset.reward_scale, and rank policies of the other sign apart"
            )
    if info.in_pieces:
        raise UserError(
            "the policies were trained on pieces of episodes (their subset= cuts them), and a "
            "ranking takes whole ones: rank the policies on all of the data, as in "
            f"rank.py dataset={info.name}"
        )


def _listed(numbers: Sequence[float]) -> str:
    return f"[{','.join(f'{number:.9g}' for number in numbers)}]"
