"""`python finetune.py`, from an offline run's checkpoint to a run folder like any other."""

import csv
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from ivr.config.arguments import prepare
from ivr.errors import UserError
from ivr.evaluation.stepping.environments import Environments
from ivr.online.collect import Collector
from ivr.training.members import Member
from tests.commands.test_resume import same_state
from tests.running import SMALL, evaluate, finetune, train

pytestmark = pytest.mark.usefixtures("small_pointmaze")

STEPS, WARMUP = 180, 60
WORDS = (
    f"num_steps={STEPS}",
    f"warmup_steps={WARMUP}",
    "collect_every=20",
    "batch_size=16",
    "eval_every=60",
    "eval_episodes=2",
    "log_every=20",
    "device=cpu",
    "compile=false",
)
REMODEL = (
    "online.evaluation_updates=40",
    "online.alignment_updates=20",
    "online.critics=3",
    "online.critic_hidden=[16,16]",
)


@pytest.fixture(scope="module")
def offline(tmp_path_factory, small_pointmaze) -> str:
    folder = tmp_path_factory.mktemp("offline")
    train(folder, "num_updates=40", "eval_every=40", "seed=[0,3]")
    return f"checkpoint={folder}/checkpoints/last.ckpt"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, offline) -> Path:
    folder = tmp_path_factory.mktemp("online")
    finetune(folder, offline, *WORDS, *REMODEL)
    return folder


def rows(folder: Path) -> dict[tuple[int, str], list[float]]:
    found: dict[tuple[int, str], list[float]] = {}
    with (folder / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            found.setdefault((int(row["update"]), row["metric"]), []).append(float(row["value"]))
    return found


def test_updates_and_environment_steps_are_said_apart(finished):
    result = json.loads((finished / "result.json").read_text())
    updates = 60 + STEPS - WARMUP
    assert result["updates_done"] == result["num_updates"] == updates
    for member in result["members"]:
        measured = member["online"]
        assert measured["env_steps"] == STEPS
        # Their time limit is 20 steps, and some arrive sooner.
        assert measured["episodes"] >= STEPS // 20
        assert measured["baseline_episodes"] >= WARMUP // 20
        assert 0 <= measured["regret"] <= 1
    logged = rows(finished)
    assert (60, "online/env_steps") not in logged  # no step is taken yet
    assert logged[80, "online/env_steps"] == [WARMUP + 20.0] * 2
    assert logged[updates, "online/env_steps"] == [float(STEPS)] * 2
    names = {"online/return", "online/gate_share", "online/baseline_return"}
    assert names <= {name for _, name in logged}
    assert result["online"]["replay_capacity"] is None
    assert result["online"]["warmup_steps"] == WARMUP and result["algo"] == "remodel"
    assert [path.stat().st_size > 5000 for path in finished.glob("visited_seed*.png")] == [True] * 2


def test_every_training_episode_has_a_row(finished):
    result = json.loads((finished / "result.json").read_text())
    with (finished / "episodes.csv").open() as file:
        found = list(csv.DictReader(file))
    for member in result["members"]:
        label = Member(member["seed"], member["alpha"]).label
        mine = [row for row in found if row["member"] == label]
        assert len(mine) == member["online"]["episodes"]
        lengths, ends = ([int(row[key]) for row in mine] for key in ("length", "env_steps"))
        assert list(itertools.accumulate(lengths)) == ends and ends[-1] <= STEPS
        warmup = [float(row["return"]) for row in mine if int(row["env_steps"]) <= WARMUP]
        assert sum(warmup) / len(warmup) == pytest.approx(member["online"]["baseline_return"])


def test_the_return_and_the_baseline_share_a_chart(finished):
    events = EventAccumulator(str(next(finished.glob("tensorboard/seed0*")))).Reload()
    config = events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    (charts,) = (c.chart for c in Layout.FromString(config).category if c.title == "ivr online")
    first, *_ = [[tag.strip("^$") for tag in chart.multiline.tag] for chart in charts]
    assert first == ["online/return", "online/baseline_return"]
    for chart in charts:
        assert {tag.strip("^$") for tag in chart.multiline.tag} <= set(events.Tags()["scalars"])


@pytest.mark.slow
def test_only_what_has_a_brake_says_so_and_it_stays_as_it_was(tmp_path, finished, offline):
    def recorded(folder: Path) -> dict:
        return json.loads((folder / "result.json").read_text())["online"]

    assert recorded(finished)["brake"] is True
    finetune(tmp_path, offline, *WORDS, "online=sac")
    assert recorded(tmp_path)["brake"] is False
    with pytest.raises(UserError, match="but the checkpoint was trained with"):
        finetune(finished, offline, *WORDS, *REMODEL, "brake=false", "resume=auto")
    # Both began with the same policy, whatever its path is called.
    assert recorded(tmp_path)["start"] == recorded(finished)["start"]
    assert recorded(finished)["start"].startswith("sql last ")


def test_a_warm_up_that_is_too_short_for_the_brake_is_said(tmp_path, offline, caplog):
    words = ("num_steps=80", "warmup_steps=20", "dataset.max_episode_steps=20")
    finetune(tmp_path, offline, *WORDS, *REMODEL, *words[:2])
    assert "warmup_steps=20: episodes have up to 20 steps" in caplog.text


def test_each_program_resumes_its_own_runs(finished, offline):
    last = finished / "checkpoints" / "last.ckpt"
    with pytest.raises(SystemExit, match=r"this is a run of finetune\.py, which resumes it"):
        prepare([f"resume={last}"])
    with pytest.raises(SystemExit, match=r"run of train\.py, .* takes it online"):
        prepare([offline.replace("checkpoint=", "resume=")], "finetune")


def test_a_run_that_is_resumed_may_be_made_longer(tmp_path, offline):
    run, more = tmp_path / "run", STEPS + 60
    finetune(run, offline, *WORDS, *REMODEL)
    result = finetune(run, offline, *WORDS, *REMODEL, "resume=auto", f"num_steps={more}")
    assert result["updates_done"] == 60 + more - WARMUP
    assert [m["online"]["env_steps"] for m in result["members"]] == [more] * 2
    assert rows(run)[result["updates_done"], "online/env_steps"] == [float(more)] * 2
    assert result["online"]["num_steps"] == more


def test_a_run_cannot_be_made_shorter_than_it_is(tmp_path, offline, finished):
    with pytest.raises(UserError, match=r"num_steps=120: .* has taken 180 steps already"):
        resume = f"resume={finished}/checkpoints/last.ckpt"
        finetune(tmp_path, offline, *WORDS, *REMODEL, "num_steps=120", resume)


def same_policy(folder: Path, offline: str) -> bool:
    paths = offline.removeprefix("checkpoint="), folder / "checkpoints" / "last.ckpt"
    states = [torch.load(path, weights_only=True)["state_dict"] for path in paths]
    before, after = (state["actor.mlp.layers.0.weight"] for state in states)
    return torch.equal(before, after)


def test_no_step_is_taken_that_is_not_counted(tmp_path, offline, monkeypatch):
    """Evaluations have environments of their own; all others are the budget's."""
    taken = {"all": 0, "training": 0}
    step, collect = Environments._step, Collector._step

    def counted(self, env, action):
        taken["all"] += 1
        return step(self, env, action)

    def of_training(self, observations, noise):
        before = taken["all"]
        following = collect(self, observations, noise)
        taken["training"] += taken["all"] - before
        return following

    monkeypatch.setattr(Environments, "_step", counted)
    monkeypatch.setattr(Collector, "_step", of_training)
    result = finetune(tmp_path, offline, *WORDS, "online=frozen")
    assert taken["training"] == 2 * STEPS
    assert [m["online"]["env_steps"] for m in result["members"]] == [STEPS, STEPS]
    assert same_policy(tmp_path, offline)  # it is frozen


@pytest.mark.parametrize(
    "online",
    ["continue", *(pytest.param(x, marks=pytest.mark.slow) for x in ("sac", "calql", "rlpd"))],
)
def test_every_way_online_runs_and_changes_the_policy(online, tmp_path, offline):
    small = {"rlpd": ("online.critics=3",)}.get(online, ())
    result = finetune(tmp_path, offline, *WORDS, f"online={online}", *small)
    assert result["status"] == "finished" and result["algo"] == online
    assert not same_policy(tmp_path, offline)


@pytest.mark.slow
def test_calql_goes_on_with_its_own_losses(tmp_path, small_pointmaze):
    words = ("algo=calql", "algo.proposals=2", "num_updates=10", "eval_every=10")
    train(tmp_path / "calql", *words)
    offline = f"checkpoint={tmp_path}/calql/checkpoints/last.ckpt"
    assert finetune(tmp_path / "a", offline, *WORDS, "online=continue")["status"] == "finished"
    assert not same_policy(tmp_path / "a", offline)
    with pytest.raises(UserError, match=r"online=calql cannot start .* give online=continue"):
        finetune(tmp_path / "b", offline, *WORDS, "online=calql")


@pytest.mark.slow
@pytest.mark.parametrize("algo", [("algo=bc",), ("algo=iql",), ("algo=ivr", "algo.order=0.5")])
@pytest.mark.parametrize("online", ["remodel", "continue", "frozen"])
def test_every_gaussian_policy_goes_online(tmp_path, small_pointmaze, algo, online):
    train(tmp_path / "offline", *algo, "num_updates=10", "eval_every=10", "seed=[1,4]")
    offline = f"checkpoint={tmp_path}/offline/checkpoints/last.ckpt"
    more = REMODEL if online == "remodel" else ()
    result = finetune(tmp_path / "run", offline, *WORDS, *more, f"online={online}")
    assert [m["online"]["env_steps"] for m in result["members"]] == [STEPS, STEPS]


def test_rlpd_needs_no_checkpoint(tmp_path, small_pointmaze):
    words = (*SMALL[:2], "seed=[1,4]", "online=rlpd", "online.critics=2", "online.hidden=[16,16]")
    result = finetune(tmp_path / "a", *WORDS, *words)
    assert [member["seed"] for member in result["members"]] == [1, 4]
    assert all(m["online"]["env_steps"] == STEPS for m in result["members"])
    with pytest.raises(UserError, match="online=remodel starts from an offline run"):
        finetune(tmp_path / "b", *WORDS, *REMODEL, *SMALL[:2])


@pytest.mark.slow
@pytest.mark.parametrize("remodel", ["analytic", "none"])
def test_the_other_remodels_run(remodel, tmp_path, offline):
    words = (*WORDS, *REMODEL, "online.evaluation_updates=20", f"online.remodel={remodel}")
    assert finetune(tmp_path, offline, *words)["status"] == "finished"


@pytest.mark.parametrize(
    "collections", [4, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 5))]
)
def test_a_run_that_ended_in_the_middle_resumes_to_the_same_bits(
    collections, tmp_path, offline, finished, monkeypatch
):
    calls = 0
    collect = Collector.collect

    def failing(self, steps):
        nonlocal calls
        calls += steps > self.steps
        if calls > collections:
            raise RuntimeError("the power was cut")
        collect(self, steps)

    words = (offline, *WORDS, *REMODEL, "checkpoint_every=40")
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="power"):
        patched.setattr(Collector, "collect", failing)
        finetune(tmp_path, *words)
    finetune(tmp_path, *words, "resume=auto")
    same_runs(tmp_path, finished)


def same_runs(*folders: Path) -> None:
    """Two runs are equal to the last bit, but for what a clock decides."""
    contents = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in folders
    ]
    for key in ("state_dict", "optimizer_states", "updates_done", "sums"):
        same_state(contents[0][key], contents[1][key], key)
    states = [content["callbacks"]["Online"] for content in contents]
    for state in states:
        state["collector"]["predicted"] = repr(state["collector"]["predicted"])
        state["collector"]["episodes"] = repr(state["collector"]["episodes"])
    same_state(states[0], states[1])
    timed = ("evaluation/seconds", "evaluation/resident_mib")
    logged = [
        {k: repr(v) for k, v in rows(folder).items() if k[1] not in timed} for folder in folders
    ]
    assert logged[0] == logged[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_random_moments_the_command_resumes_to_the_same_bits(tmp_path, offline):
    """SIGKILL five times, after up to a fifth each of the time that the whole training takes."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = (offline, *WORDS, *REMODEL, "num_steps=660", "checkpoint_every=20")
    started = time.monotonic()
    finetune(whole, *words)
    seconds = time.monotonic() - started
    command = [sys.executable, "finetune.py", *words, "resume=auto", f"hydra.run.dir={killed}"]
    draw, begun, updates = random.Random(0), killed / "result.json", []
    for _ in range(5):
        before = begun.stat().st_mtime_ns if begun.exists() else 0
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while not begun.exists() or begun.stat().st_mtime_ns == before:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        time.sleep(draw.uniform(0, seconds / 5))
        process.kill()
        output, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, output
        path = killed / "checkpoints" / "last.ckpt"
        updates.append(torch.load(path, weights_only=True)["updates_done"] if path.exists() else 0)
    assert sorted(updates) == updates and 60 < updates[-1] < 660
    finetune(killed, *words, "resume=auto")
    same_runs(killed, whole)


def test_a_checkpoint_online_is_evaluated_like_any_other(tmp_path, finished):
    best = finished / "checkpoints" / "best.ckpt"
    scores = evaluate(tmp_path, f"checkpoint={best}", "episodes=2", "device=cpu")
    assert len(scores["members"]) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("num_steps=190",), "num_steps=190: must be a multiple of collect_every=20"),
        (("num_steps=60",), "num_steps=60: must be more than warmup_steps, which is 60"),
        (("online.evaluation_updates=30",), "= 50: must be a multiple of .* 20"),
        (("online.evaluation_updates=x",), "online.evaluation_updates=x: must be a whole number"),
        (("online.alignment_updates=null",), "online.alignment_updates=None: must be a whole"),
        (("online.critics=1",), "online=remodel cannot be built: critics=1"),
        (("online.gate=wide",), "online.gate=wide: must be a finite number or null"),
        (("replay_capacity=30",), "replay_capacity=30: must be at least 40"),
        (("offline_share=[0.5]",), r"offline_share=\[0.5\]: must be two numbers"),
        (("brake=maybe",), "brake=maybe: must be true or false"),
        (("num_updates=9",), "num_updates=9: the length of a run online is num_steps"),
        (("checkpoint=null",), "checkpoint is missing"),
        (("seed=3",), "seed: those of the checkpoint are taken"),
        (("dataset=hopper-medium",), "dataset: those of the checkpoint are taken"),
        (("checkpoint=nowhere.ckpt",), "no checkpoint at nowhere.ckpt"),
    ],
)
def test_bad_options_are_refused_before_anything_is_done(words, says, tmp_path, offline):
    with pytest.raises(UserError, match=says):
        finetune(tmp_path / "run", offline, *WORDS, *REMODEL, *words)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_environment_of_ones_own_package_is_named_again(tmp_path, small_pointmaze):
    """No checkpoint may import a module by itself; a person may let it."""
    env = "gymnasium_robotics:PointMaze_UMaze-v3"
    words = ("num_updates=10", "eval_every=10", f"dataset.env={env}")
    train(tmp_path / "offline", *words)
    checkpoint = f"checkpoint={tmp_path}/offline/checkpoints/last.ckpt"
    online = (*WORDS, "online=frozen")
    with pytest.raises(UserError, match=f"would import a module.* say so: env={env}"):
        finetune(tmp_path / "run", checkpoint, *online)
    run = tmp_path / "run"
    finetune(run, checkpoint, *online, f"env={env}")
    with pytest.raises(UserError, match=f"say so: env={env}"):
        finetune(run, f"resume={run}/checkpoints/last.ckpt", *online)
    # Without a checkpoint nothing but the command line names it.
    own = ("online=rlpd", "dataset=pointmaze-umaze", f"dataset.env={env}", "seed=0")
    finetune(tmp_path / "rlpd", *WORDS, *own, "eval_every=180", "online.hidden=[16,16]")


def test_a_policy_without_a_density_is_refused(tmp_path, small_pointmaze):
    train(tmp_path / "td3bc", "algo=td3bc", "num_updates=10", "eval_every=10")
    with pytest.raises(UserError, match="online=remodel cannot start from this"):
        checkpoint = f"checkpoint={tmp_path}/td3bc/checkpoints/last.ckpt"
        finetune(tmp_path / "run", checkpoint, *WORDS, *REMODEL)


def test_a_damaged_state_of_the_collection_is_one_message(tmp_path, offline, finished):
    path = tmp_path / "checkpoints" / "last.ckpt"
    path.parent.mkdir()
    content = torch.load(finished / "checkpoints" / "last.ckpt", weights_only=True)
    content["callbacks"]["Online"]["collector"]["buffer"]["rewards"] = torch.zeros(2, 3)
    torch.save(content, path)
    with pytest.raises(UserError, match="rewards of another shape"):
        finetune(tmp_path, offline, *WORDS, *REMODEL, "resume=auto")
