"""The programs that measure speed and memory run and say what they promise; no number is judged."""

import mmap
import os
import re
import sys
import threading
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from ivr.data.load import load_dataset

FOLDER = Path(__file__).parents[1] / "benchmarks"
SMALL = ("algo.hidden=[8,8]", "batch_size=8")
NUMBER = r"-?\d+(\.\d+)?"


@pytest.fixture(scope="module", autouse=True)
def on_the_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        patch.setenv("IVR_SHARED_DATA", "nowhere")
        yield


@pytest.fixture(scope="module")
def d4rl_file(tmp_path_factory):
    """Three hundred transitions in D4RL's format, six episodes."""
    path = tmp_path_factory.mktemp("data") / "small.hdf5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        walks = rng.normal(size=(6, 51, 5)).astype("f4")
        file["observations"] = walks[:, :-1].reshape(300, 5)
        file["next_observations"] = walks[:, 1:].reshape(300, 5)
        file["actions"] = rng.uniform(-1, 1, (300, 2)).astype("f4")
        file["rewards"] = rng.normal(size=300).astype("f4")
        file["terminals"] = np.arange(1, 301) % 100 == 0
        file["timeouts"] = np.arange(1, 301) % 100 == 50
    return path


def last_line(capsys) -> dict[str, float]:
    line = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(rf"\w+={NUMBER}( \w+={NUMBER})*", line)
    return {name: float(value) for name, value in (pair.split("=") for pair in line.split())}


def test_throughput(capsys, d4rl_file, monkeypatch, tmp_path):
    throughput = import_module("throughput")
    for peer in ("d3rlpy", "authors"):
        monkeypatch.setitem(import_module("peers").ENVIRONMENTS, peer, tmp_path)
    monkeypatch.setattr(throughput, "MEMBERS", 2)
    words_of = throughput.data_words
    monkeypatch.setattr(throughput, "data_words", lambda path: [*words_of(path), *SMALL])
    monkeypatch.setattr(import_module("rounds"), "WARM_UP", 1)
    words = ["--data", str(d4rl_file), "--rounds", "2", "--updates", "1", "--no-compile"]
    throughput.main([*words, "--threads", str(torch.get_num_threads())])
    shown = capsys.readouterr().out
    assert "`make peers` installs it" in shown and "`make authors` installs it" in shown
    assert "d3rlpy_ratio" not in shown
    keys = ["textbook_ratio", "stack8_ratio", "trainer_overhead"]
    pattern = " ".join(rf"{key}=({NUMBER})" for key in keys)
    found = re.fullmatch(pattern, shown.splitlines()[-1])
    assert found and float(found[1]) > 0 and 0 < float(found[5]) < 1


def test_rounds_leave_the_peers_time_out(monkeypatch):
    """By a clock of our own: a step takes 3, what lies between two steps 1, a peer's round 100."""
    rounds = import_module("rounds")
    clock = [0.0]
    monkeypatch.setattr(rounds.time, "perf_counter", lambda: clock[0])

    def peer() -> float:
        clock[0] += 100
        return 7.0

    measured = rounds.Rounds(chunks=2, count=3, peers={"peer": peer})
    for _ in range(rounds.WARM_UP + 2 * 3 + 1):
        measured._before()
        clock[0] += 3
        measured._after(3, 5)
        clock[0] += 1
    assert measured.rates == [10 / 8] * 3 and measured.overhead == 1 / 4
    assert measured.found == {"peer": [7.0] * 3}
    assert measured.ratios("peer", 2) == [2 * 10 / 8 / 7] * 3


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


def test_the_textbook_takes_the_steps_of_ours(monkeypatch):
    """The same networks and batch: after an update the same parameters as `algo=sql` has."""
    from ivr.algos.ivr import ImplicitValueRegularization
    from ivr.types import Batch

    o, a, n, hidden = 4, 2, 32, 8
    torch.manual_seed(0)
    columns = [torch.randn(n, o), torch.rand(n, a) * 2 - 1, torch.randn(n)]
    columns += [(torch.rand(n) < 0.2).float(), torch.randn(n, o)]
    textbook = import_module("textbook").Textbook(*columns, hidden=hidden)
    ours = ImplicitValueRegularization(
        seeds=[0], observation_dim=o, action_low=[-1.0] * a, action_high=[1.0] * a,
        num_updates=10, order=1.0, alpha=[1.0], hidden=[hidden, hidden], value_layer_norm=True,
        actor_lr_cosine=False, positive_advantage=True, weight_clip=100.0,
    )  # fmt: skip

    def copy(network: torch.nn.Sequential, mlp: torch.nn.Module, k: int) -> None:
        linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
        for layer, stack in zip(linear, mlp.layers, strict=True):
            weight, bias = stack.weight.flatten(0, -3)[k], stack.bias.flatten(0, -3)[k, 0]
            layer.weight.data.copy_(weight.T), layer.bias.data.copy_(bias)
        for layer in network:
            if isinstance(layer, torch.nn.LayerNorm):
                layer.eps = 1e-6

    def pairs():
        yield textbook.value, ours.value.mlp, 0
        yield textbook.actor, ours.actor.mlp, 0
        for k in range(2):
            yield textbook.critics[k], ours.critic.mlp, k
            yield textbook.targets[k], ours.target_critic.mlp, k

    with torch.no_grad():
        for each in pairs():
            copy(*each)
    monkeypatch.setattr(torch, "randint", lambda *_: torch.arange(n))
    batch = Batch(*(column[None] for column in columns))
    adams = {
        name: torch.optim.Adam(ours.get_submodule(name).parameters(), 3e-4)
        for name in ours.learning_rates
    }

    def step(name: str, parameters: list[Tensor], gradients: list[Tensor]) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        adams[name].step()

    monkeypatch.setattr(ours, "_step_optimizer", step)
    for _ in range(3):
        textbook.update()
        ours.update(batch)
    for network, mlp, k in pairs():
        linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
        for layer, stack in zip(linear, mlp.layers, strict=True):
            weight = stack.weight.flatten(0, -3)[k].detach().T
            torch.testing.assert_close(layer.weight.detach(), weight, rtol=1e-4, atol=2e-6)


def test_columns_for_the_peer_end_where_episodes_end(d4rl_file, tmp_path):
    throughput = import_module("throughput")
    data = throughput.load(throughput.data_words(d4rl_file))
    throughput.write_columns(data, tmp_path / "columns.npz")
    with np.load(tmp_path / "columns.npz") as found:
        assert found["terminals"].nonzero()[0].tolist() == [99, 199, 299]
        assert found["timeouts"].nonzero()[0].tolist() == [49, 149, 249]
        assert found["observations"].shape == (300, 5)


@pytest.mark.slow
def test_scaling(capsys, d4rl_file, tmp_path):
    words = ["--data", str(d4rl_file), "--members", "1", "256", "--hidden", "8", "--rounds", "2"]
    plot = tmp_path / "plot.png"
    import_module("scaling").main([*words, "--updates", "1", "--no-compile", "--plot", str(plot)])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split()[:2] for line in lines if re.match(r" +8 +\d", line)]
    assert rows == [["8", "1"], ["8", "256"]] and lines[-1] == f"{plot} written"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_what_algorithms_cost(capsys, d4rl_file, monkeypatch):
    algorithms = import_module("algorithms")
    monkeypatch.setattr(algorithms, "WORDS", {"bc": SMALL, "sql": SMALL})
    monkeypatch.setattr(import_module("rounds"), "WARM_UP", 1)
    words = ["--data", str(d4rl_file), "--rounds", "2", "--updates", "1", "--no-compile"]
    algorithms.main([*words, "--algos", "bc"])
    last = capsys.readouterr().out.splitlines()[-1]
    found = re.fullmatch(rf"cost of an update over one of sql: sql=1.00 bc=({NUMBER})", last)
    assert found and float(found[1]) > 0


def test_evaluation(capsys):
    words = ["--episodes", "4", "--steps", "3", "--rounds", "2", "--members", "2"]
    import_module("evaluation").main(words)
    found = last_line(capsys)
    assert list(found) == ["evaluation_ratio", "cores"] and found["cores"] == os.cpu_count()
    assert found["evaluation_ratio"] > 0


def test_evaluating_beside_training(capsys, monkeypatch):
    overlap = import_module("overlap")
    monkeypatch.setattr(overlap, "ROWS", 300)
    overlap.main(["--episodes", "4", "--steps", "3", "--rounds", "2"])
    assert last_line(capsys)["overlap_ratio"] > 0


def test_jobs_run_at_once():
    """Each waits for the other: one after the other they would not end."""
    barrier = threading.Barrier(2)
    assert import_module("overlap").seconds(lambda: barrier.wait(60), lambda: barrier.wait(60)) > 0
    assert not barrier.broken


def test_a_million_made_up_transitions_are_read(tmp_path):
    """Fewer here: whole episodes of 500."""
    said = import_module("million").write(tmp_path / "set", 1200)
    assert said == "1,500 transitions in 3 episodes (made-up walks)"
    data = load_dataset(name="made-up", path=tmp_path / "set", cache=tmp_path / "cache")
    assert data.num_transitions == 1500 and data.observation_dim == 29


def test_the_first_update_of_the_command(tmp_path, small_pointmaze):
    words = ["dataset=pointmaze-umaze", "algo.hidden=[8,8]"]
    first_update = import_module("startup").first_update
    assert first_update(tmp_path / "run", words, dict(os.environ)) > 0
    with pytest.raises(SystemExit, match="unknown"):
        first_update(tmp_path / "other", ["dataset=nothing"], dict(os.environ))


def test_memory_of_a_process():
    memory = import_module("memory")
    before = memory.mib(os.getpid(), "RssAnon")
    # Not from the allocator, which may have kept as much.
    with mmap.mmap(-1, 2**26, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        assert 60 < memory.mib(os.getpid(), "RssAnon") - before < 70
    assert memory.mib(2**22 + 1, "RssAnon") == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_startup(capsys, small_pointmaze):
    words = ["--rounds", "1", "--transitions", "600", "--data", "pointmaze-umaze"]
    import_module("startup").main(words)
    assert list(last_line(capsys)) == ["warm_seconds", "cold_seconds"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory(capsys):
    small = ["--words", "algo.hidden=[8,8]", "batch_size=16"]
    import_module("memory").main(["--transitions", "600", "--updates", "4", *small])
    found = last_line(capsys)
    assert list(found) == ["rss_anon_mib", "rss_anon_8_mib"] and found["rss_anon_mib"] > 50


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["d3rlpy", "authors"])
def test_the_peer_takes_turns(peer, d4rl_file, tmp_path):
    peers, throughput = import_module("peers"), import_module("throughput")
    if not peers.ENVIRONMENTS[peer].exists():
        pytest.skip(f"`make {peers.TARGETS[peer]}` installs {peer}")
    throughput.write_columns(throughput.load(throughput.data_words(d4rl_file)), tmp_path / "c.npz")
    worker = peers.Worker(peer, tmp_path / "c.npz", 1)
    try:
        assert worker.name.startswith(peer) and worker.run(1) > 0 and worker.run(2) > 0
    finally:
        worker.close()
    assert worker.process.returncode == 0


def test_a_peer_that_is_missing_is_said(monkeypatch, tmp_path):
    peers = import_module("peers")
    monkeypatch.setitem(peers.ENVIRONMENTS, "d3rlpy", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="make peers"):
        peers.Worker("d3rlpy", tmp_path / "c.npz", 1)
    python = tmp_path / "bin" / "python"  # one that lacks d3rlpy
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setitem(peers.ENVIRONMENTS, "d3rlpy", tmp_path)
    with pytest.raises(RuntimeError, match="status"):
        peers.Worker("d3rlpy", tmp_path / "c.npz", 1)
