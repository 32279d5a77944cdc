"""The family as a user runs it: presets, orders between, the exact pair, what is logged."""

import csv
from pathlib import Path

import pytest
import torch

from ivr.errors import UserError
from tests.running import train

pytestmark = pytest.mark.usefixtures("small_pointmaze")

SHORT = ("num_updates=60", "eval_every=60", "log_every=20", "seed=[0,1]", "alpha=0.3")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def metrics(folder: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with (folder / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["metric"], []).append(float(row["value"]))
    return found


@pytest.mark.parametrize(
    ("preset", "order", "protocol"),
    [
        ("sql", 1, "paper"),
        ("eql", 0, "released"),
        pytest.param("sql", 1, "released", marks=pytest.mark.slow),
        pytest.param("eql", 0, "paper", marks=pytest.mark.slow),
    ],
)
def test_a_preset_is_the_family_at_its_order_to_the_last_bit(tmp_path, preset, order, protocol):
    # What conf/tuned/ has for sql and eql on these data alone.
    rates = (
        "algo.value_lr=3e-4", "algo.critic_lr=3e-4", "algo.actor_lr_cosine=true",
        "algo.value_updates=null", "alpha=0.5",
    )  # fmt: skip
    same = (*SHORT, f"protocol={protocol}", "discount=0.99", *rates)
    a = train(tmp_path / "preset", *same, f"algo={preset}")
    b = train(tmp_path / "family", *same, "algo=ivr", f"algo.order={order}")
    assert (a["algo"], b["algo"], b["protocol"]) == (preset, "ivr", protocol)
    assert a["options"] == {**b["options"], "order": float(order)}
    for name, tensor in weights(tmp_path / "preset").items():
        assert torch.equal(tensor, weights(tmp_path / "family")[name]), name
    assert a["members"] == b["members"]


def test_the_ends_and_what_lies_between_differ(tmp_path):
    finals = {}
    for order in (0, 0.5, 1):
        train(tmp_path / f"{order}", *SHORT, "algo=ivr", f"algo.order={order}")
        finals[order] = metrics(tmp_path / f"{order}")["value/v"][-1]
    assert len(set(finals.values())) == 3


def test_the_released_code_has_no_order_between(tmp_path):
    with pytest.raises(UserError, match=r"^protocol=released with algo\.order=0\.5: .*protocol=pa"):
        train(tmp_path, *SHORT, "algo=ivr", "protocol=released")
    assert train(tmp_path, *SHORT, "algo=ivr")["protocol"] == "paper"


@pytest.mark.parametrize("order", [0.5, *(pytest.param(x, marks=pytest.mark.slow) for x in (0, 1))])
def test_the_exact_pair_is_logged_beside_sparsity_and_mean_weight(tmp_path, order):
    exact, approximate = tmp_path / "exact", tmp_path / "approximate"
    train(exact, *SHORT, "algo=ivr", f"algo.order={order}", "algo.value=exact")
    train(approximate, *SHORT, "algo=ivr", f"algo.order={order}")
    found = metrics(exact)
    for name in ("weight/sparsity", "weight/mean", "value/u_minus_v_plus_alpha"):
        assert len(found[name]) == 6  # three rows of two members
    # Twice the mean of metrics: the gap is what is left of U, V and alpha = 0.3.
    for u, v, gap in zip(
        found["value/u"], found["value/v"], found["value/u_minus_v_plus_alpha"], strict=True
    ):
        assert gap == pytest.approx(u - (v - 0.3), abs=0.02 * abs(u) + 0.02)
    assert "value/u" not in metrics(approximate)
    assert "value/u_minus_v_plus_alpha" not in metrics(approximate)


def test_a_value_that_is_neither_exact_nor_approximate_is_refused(tmp_path):
    with pytest.raises(UserError, match="value=exactly must be approximate or exact"):
        train(tmp_path, *SHORT, "algo.value=exactly")
