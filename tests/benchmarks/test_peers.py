"""Others' code beside ours: it is asked as it should be, and does the same."""

import json
import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.algos.algorithm_making import build

SMALL = ("algo.hidden=[8,8]", "batch_size=32")


def test_a_peer_multiplies_as_pytorch_does_by_default():
    seen = []

    def update() -> None:
        seen.append((torch.get_float32_matmul_precision(), torch.is_autocast_enabled("cpu")))

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert import_module("rounds").timed(update, 2)() > 0
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert seen == [("highest", False)] * 2


def test_columns_for_the_peer_end_where_episodes_end(d4rl_file, tmp_path):
    throughput = import_module("throughput")
    data = throughput.load(throughput.data_words(d4rl_file))
    throughput.write_columns(data, tmp_path / "columns.npz")
    with np.load(tmp_path / "columns.npz") as found:
        assert found["terminals"].nonzero()[0].tolist() == [99, 199, 299]
        assert found["timeouts"].nonzero()[0].tolist() == [49, 149, 249]
        assert found["observations"].shape == (300, 5)


@pytest.mark.peers
@pytest.mark.parametrize("peer", ["d3rlpy", "authors"])
def test_the_peer_takes_turns(peer, d4rl_file, tmp_path):
    peers, throughput = import_module("peers"), import_module("throughput")
    throughput.write_columns(throughput.load(throughput.data_words(d4rl_file)), tmp_path / "c.npz")
    worker = peers.Worker(peer, "peer_speed.py", peer, tmp_path / "c.npz", 1)
    try:
        assert (
            worker.name.startswith(peer) and float(worker.ask(1)) > 0 and float(worker.ask(2)) > 0
        )
    finally:
        worker.close()
    assert worker.process.returncode == 0


def test_a_peer_that_is_missing_is_said(monkeypatch, tmp_path):
    peers = import_module("peers")
    monkeypatch.setitem(peers.ENVIRONMENTS, "d3rlpy", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="make peers"):
        peers.Worker("d3rlpy", "peer_speed.py", "d3rlpy", tmp_path / "c.npz", 1)
    python = tmp_path / "bin" / "python"  # one that lacks d3rlpy
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setitem(peers.ENVIRONMENTS, "d3rlpy", tmp_path)
    with pytest.raises(RuntimeError, match="status"):
        peers.Worker("d3rlpy", "peer_speed.py", "d3rlpy", tmp_path / "c.npz", 1)


def textbook_names(textbook: Any) -> dict[str, Tensor]:
    """Its parameters by the names that the authors' code has for them: views."""
    found = {}

    def add(name: str, network: nn.Sequential) -> None:
        for kind, label in ((nn.Linear, "Dense"), (nn.LayerNorm, "LayerNorm")):
            layers = [layer for layer in network if isinstance(layer, kind)]
            for i, layer in enumerate(layers):
                key = "kernel" if kind is nn.Linear else "scale"
                found[f"{name}/{label}_{i}/{key}"] = (
                    layer.weight.data.mT if kind is nn.Linear else layer.weight.data
                )
                found[f"{name}/{label}_{i}/bias"] = layer.bias.data

    add("value/MLP_0", textbook.value)
    add("actor/MLP_0", textbook.actor)
    for part in ("kernel", "bias"):
        found[f"actor/Dense_0/{part}"] = found.pop(f"actor/MLP_0/Dense_2/{part}")
    found["actor/log_stds"] = textbook.log_std.data
    for k in range(2):
        add(f"critic/Critic_{k}/MLP_0", textbook.critics[k])
        add(f"target_critic/Critic_{k}/MLP_0", textbook.targets[k])
    return found


class TextbookWorker:
    """Answers as the authors' learner does, by the textbook's updates."""

    name = "textbook"
    rate = 3e-4

    def __init__(self, *_: str) -> None:
        self.words: dict[str, Any] = {}

    def ask(self, question: str) -> str:
        command, path, *rest = json.loads(question)
        if command == "save":
            np.savez(path, **{name: x.numpy() for name, x in textbook_names(self.agent).items()})
            return "done"
        with np.load(path) as file:
            given = {name: torch.from_numpy(file[name]) for name in file.files}
        if command == "update":
            names = ("observations", "actions", "rewards", "terminals", "next_observations")
            for batch in zip(*(given[name] for name in names), strict=True):
                self.agent.step(*batch)
            return "done"
        self.words = rest[0]
        o, a = self.words["o"], self.words["a"]
        columns = [torch.zeros(1, o), torch.zeros(1, a), *torch.zeros(2, 1), torch.zeros(1, o)]
        textbook = import_module("textbook")
        self.agent = textbook.Textbook(*columns, hidden=self.words["hidden_dims"][0])
        if given["actor/log_stds"].dtype == torch.float64:
            for network in (self.agent.value, self.agent.actor, self.agent.critics):
                network.double()
            self.agent.targets.double()
            self.agent.log_std.data = self.agent.log_std.data.double()
        own = textbook_names(self.agent)
        assert own.keys() == given.keys()
        for name, tensor in own.items():
            tensor.copy_(given[name])
        for layer in self.agent.value:
            if isinstance(layer, nn.LayerNorm):
                layer.eps = 1e-6  # as Flax has it
        for group in self.agent.critic_optimizer.param_groups:
            group["lr"] = self.rate
        return "done"

    def close(self) -> None:
        pass


def agreement(capsys, monkeypatch, *words: str) -> list[float]:
    """Largest distances of V, Q and action after 10 updates, of the other's and of ours again."""
    program = import_module("agreement")
    monkeypatch.setattr(program, "PROBED", 100)
    given = ("num_updates=20", "eval_episodes=1", "compile=false", *words)
    program.main([*SMALL, *given, "dataset=pointmaze-umaze", "seed=[0,1]"])
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if line.startswith("       10 "))
    if "--float64" not in words:
        assert lines[-3].startswith("ours") and lines[-3].count("success") == 2
    return [float(x) for x in row.split()[1:]]


@pytest.fixture
def textbook_for_authors(monkeypatch):
    """What it has: rates that do not fall, two layers of 256, and the rest of sql's own yaml."""
    monkeypatch.setattr(import_module("agreement"), "Worker", TextbookWorker)
    rates = ("algo.value_lr=3e-4", "algo.critic_lr=3e-4", "algo.actor_lr_cosine=false")
    return "alpha=1", "algo.target_tau=0.005", "algo.hidden=[256,256]", "discount=0.99", *rates


@pytest.mark.usefixtures("small_pointmaze")
def test_ours_agrees_with_code_that_does_the_same(capsys, monkeypatch, textbook_for_authors):
    *textbook, v, q, action = agreement(capsys, monkeypatch, *textbook_for_authors)
    assert max(textbook) < 1e-4 and (v, q, action) == (0, 0, 0)
    assert max(agreement(capsys, monkeypatch, "--float64", *textbook_for_authors)) < 1e-12


@pytest.mark.usefixtures("small_pointmaze")
def test_a_critic_that_learns_faster_does_not_agree(capsys, monkeypatch, textbook_for_authors):
    monkeypatch.setattr(TextbookWorker, "rate", 6e-4)
    _, q, *_ = agreement(capsys, monkeypatch, *textbook_for_authors)
    assert q > 1e-3


@pytest.mark.peers
@pytest.mark.usefixtures("small_pointmaze")
@pytest.mark.parametrize("algo", ["sql", "eql", "iql", "xql"])
def test_ours_agrees_with_the_authors_code(algo, capsys, monkeypatch):
    assert max(agreement(capsys, monkeypatch, "--float64", f"algo={algo}")) < 1e-12


@pytest.mark.parametrize(
    "word", ["algo=bc", "protocol=paper", "algo.actor_dropout=0.1", "normalize=standard"]
)
def test_what_the_authors_have_not_is_not_compared(word):
    with pytest.raises(SystemExit, match=r"authors|dropout"):
        import_module("agreement").main(["dataset=pointmaze-umaze", word])


def test_the_authors_are_told_the_whole_configuration():
    program = import_module("side_by_side")
    from hydra import compose, initialize_config_dir

    def words(*given: str) -> dict[str, Any]:
        with initialize_config_dir(str(program.CONFIG_DIR), version_base="1.3"):
            return program.authors_words(program.TrainConfig.parse(compose("config", given)))

    rates = dict.fromkeys(("actor_lr", "value_lr", "critic_lr"), 2e-4)
    given = ("algo=eql", "dataset=antmaze-umaze", "algo.target_tau=0.01", "num_updates=7")
    assert words(*given) == {
        "repository": "IVR", "alg": "EQL", "max_steps": 7, "discount": 0.99, "tau": 0.01,
        "hidden_dims": [256, 256], "layernorm": True, "dropout_rate": 0,
        "opt_decay_schedule": "cosine", **rates,
    }  # fmt: skip
    iql = words("algo=iql", "dataset=antmaze-umaze", "algo.actor_lr_cosine=false")
    assert (iql["expectile"], iql["temperature"]) == (0.9, 10)
    assert iql["opt_decay_schedule"] == "none"
    xql = words("algo=xql", "dataset=antmaze-umaze", "algo.exponent_clip=5")
    assert (xql["loss_temp"], xql["temperature"], xql["args"]["max_clip"]) == (2, 10, 5)


def test_every_parameter_of_a_run_has_one_of_the_authors_names():
    ours = build("sql", [0, 1])
    names = import_module("side_by_side").authors_names
    count = sum(x.numel() for x in names(ours, 1).values())
    assert count == sum(p.numel() for p in ours.parameters()) // 2
    before = {name: x.clone() for name, x in names(ours, 0).items()}
    for x in names(ours, 1).values():
        x.zero_()
    for network in (ours.value, ours.actor, ours.critic, ours.target_critic):
        assert all((p[1] == 0).all() for p in network.parameters())
    assert all(torch.equal(x, before[name]) for name, x in names(ours, 0).items())
