"""What TensorBoard shows first: a page of charts, and a table of what differs between runs."""

from collections.abc import Mapping
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from ivr.training.members import Member

CHARTS = {
    "score": "evaluation/score",
    "success rate": "evaluation/success_rate",
    "V": "value/v",
    "Q": "value/q",
    "mean weight (should tend to 1)": "weight/mean",
    "share of weights that are 0": "weight/sparsity",
    "held-out Bellman error": "held_out/bellman_error",
    "loss of the critic": "loss/critic",
}
"""Charts of the page "Custom scalars", in their order, and the metric of each."""

ONLINE = {
    "return of training episodes, and J_0": ["online/return", "online/baseline_return"],
    "Q of the first action, and the return that came": [
        "online/predicted_return", "online/discounted_return",
    ],
}  # fmt: skip
"""Charts of a run that collects data, and the metrics of each."""

METRICS = (
    "evaluation/score", "evaluation/success_rate", "evaluation/return_mean",
    "evaluation/bellman_error", "held_out/bellman_error",
)  # fmt: skip
"""Columns of the table, each the last value of the metric."""


def write(
    writer: SummaryWriter,
    settings: Mapping[str, Any],
    swept: Mapping[str, Any],
    member: Member,
) -> None:
    """Write the layout of the charts, and a member's row of the table HPARAMS.

    TensorBoard takes the columns from one run that it happens to find first. So every run names the
    same: algorithm, data, temperature (also where it has none), seed, and what its sweep sweeps.

    Args:
        writer: of the member.
        settings: of the run, by option.
        swept: the run's values of the options that its sweep sweeps over; None where it has none.
        member: whose row it is.
    """
    pages = {"ivr": {title: [tag] for title, tag in CHARTS.items()}, "ivr online": ONLINE}
    writer.add_custom_scalars({
        page: {title: ["Multiline", [f"^{tag}$" for tag in tags]] for title, tags in charts.items()}
        for page, charts in pages.items()
    })  # fmt: skip
    values = {**settings, **swept, "seed": member.seed, "alpha": member.alpha}
    # Of its type, where a run has no value: the column is there all the same.
    blank = {"algo": "", "dataset": "", "alpha": 0.0, "seed": 0, **dict.fromkeys(swept, "")}
    columns = {k: b if values.get(k) is None else values[k] for k, b in blank.items()}
    make: Any = hparams  # torch gives neither its types
    file: Any = writer.file_writer
    experiment, _, _ = make(_plain(columns), dict.fromkeys(METRICS, 0.0))
    _, session, _ = make(_plain(values), {})
    for summary in (experiment, session):
        file.add_summary(summary)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and booleans as they are, all else as text."""
    return {
        key: value if isinstance(value, bool | int | float) else str(value)
        for key, value in values.items()
        if value is not None
    }
