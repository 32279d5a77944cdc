"""The programs that measure speed and memory run and say what they promise; no number is judged."""

import mmap
import os
import re
import threading
from importlib import import_module

import pytest
import torch

from tests.data.loading import load_dataset

SMALL = ("algo.hidden=[8,8]", "batch_size=8")
NUMBER = r"-?\d+(\.\d+)?"


def last_line(capsys) -> dict[str, float]:
    line = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(rf"\w+={NUMBER}( \w+={NUMBER})*", line)
    return {name: float(value) for name, value in (pair.split("=") for pair in line.split())}


@pytest.mark.slow
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


def test_products_are_counted(d4rl_file):
    """Of two members, with O = 5, A = 2 and hidden = batch = 8; a last column is no product.

    A layer of n inputs and m outputs is 16 n m: V 16 (40 + 64), an actor 16 (40 + 64 + 16), a
    critic 16 (56 + 64). Backward is as much again for the weights, and for the inputs of each
    product but the first.
    """
    limit = import_module("limit")
    words = [*limit.data_words(d4rl_file), *SMALL, "algo=sql", "seed=[0,1]", "compile=false"]
    v, actor, critic, hidden, last = 16 * 104, 16 * 120, 16 * 120, 16 * 64, 16 * 16
    targets, of_v, of_actor = 2 * critic, 2 * v + hidden, v + 2 * actor + hidden + last
    of_critics = v + 2 * (2 * critic + hidden)
    assert limit.count_products(words) == 2 * (targets + of_v + of_actor + of_critics)


def test_parts_of_an_update():
    """10 seconds, of which 8 in the graph: 4 of products, 3 of other kernels, 1 of them Adam's."""
    found = import_module("limit").parts(10, 8, products=4, fused=3, steps=1)
    assert list(found.values()) == [4, 2, 1, 1, 2] and sum(found.values()) == 10


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_limit(capsys, d4rl_file):
    limit = import_module("limit")
    words = ["--data", str(d4rl_file), "--members", "2", "--rounds", "2", "--words", *SMALL]
    limit.main([*words, "--threads", str(torch.get_num_threads())])
    shown = capsys.readouterr().out
    rows = re.findall(rf"^  ([A-Za-z ]+?) +({NUMBER})  \(", shown, re.M)
    assert [row[0] for row in rows] == ["products at the limit", *limit.PARTS]
    assert float(dict((row[0], row[1]) for row in rows)["products"]) > 0
    numbers = shown.splitlines()[-1].split()
    assert [x.split("=")[0] for x in numbers] == ["limit_2", "share_2"]
    assert all(float(x.split("=")[1]) > 0 for x in numbers)


@pytest.mark.slow
def test_online(capsys, monkeypatch, small_pointmaze):
    online = import_module("online")
    monkeypatch.setattr(
        online, "TASKS", {"umaze": ["dataset=pointmaze-umaze", "dataset.max_episode_steps=10"]}
    )
    monkeypatch.setattr(online, "HIDDEN", 8)
    monkeypatch.setattr(online, "BLOCK", 5)
    monkeypatch.setattr(import_module("rounds"), "WARM_UP", 1)
    monkeypatch.setattr(online, "WARM_UP", 1)
    words = ["--members", "2", "--rounds", "1", "--blocks", "1", "--steps", "1", "--no-compile"]
    online.main(["--tasks", "umaze", *words])
    found = last_line(capsys)
    assert list(found) == ["umaze_2_ratio"] and found["umaze_2_ratio"] > 0


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


@pytest.mark.slow
def test_evaluation(capsys):
    words = ["--episodes", "4", "--steps", "3", "--rounds", "2", "--members", "2"]
    import_module("evaluation").main(words)
    found = last_line(capsys)
    assert list(found) == ["evaluation_ratio", "cores"] and found["cores"] == os.cpu_count()
    assert found["evaluation_ratio"] > 0


@pytest.mark.slow
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


@pytest.mark.slow
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
