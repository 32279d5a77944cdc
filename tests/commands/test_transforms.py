"""Whole runs on transformed data: what they leave behind, and what evaluates and resumes them."""

from pathlib import Path

import pytest
import torch

from ivr.algos.engine.constructors import algorithm_class
from ivr.config import arguments
from ivr.config.dataset import parse_dataset
from ivr.config.search import choices
from ivr.data.generation.pointmaze import generate
from ivr.data.prepare import clean_sample, prepare
from ivr.errors import UserError
from ivr.training.checkpoints import load_checkpoint, load_policy
from ivr.types import Needs
from tests.running import composed, evaluate, train

pytestmark = pytest.mark.usefixtures("small_pointmaze")

SHORT = ("num_updates=20", "eval_every=20")


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> str:
    """A word: other walks in the same maze."""
    folder = tmp_path_factory.mktemp("noise") / "walks"
    folder.mkdir()
    generate("umaze", folder, transitions=1000, seed=7)
    return f"noise.source={folder}"


def test_a_run_says_what_it_was_trained_on(tmp_path, noise):
    words = ("noise=mix", noise, "noise.expert_fraction=0.3", "noise.seed=5")
    result = train(tmp_path, *SHORT, *words, "subset=fraction", "subset.keep=0.5", "subset.seed=2")
    mix, subset = result["noise"], result["subset"]
    assert (mix["name"], mix["seed"], mix["expert_fraction"]) == ("mix", 5, 0.3)
    of_both = mix["expert_transitions"], mix["noise_transitions"]
    assert abs(of_both[0] - 0.3 * sum(of_both)) <= 0.5
    assert mix["true_share"] == of_both[0] / sum(of_both)
    assert (subset["name"], subset["keep"], subset["seed"]) == ("fraction", 0.5, 2)
    assert subset["of_transitions"] == sum(of_both)
    assert result["transitions"] == subset["kept_transitions"] == round(0.5 * sum(of_both))
    facts = load_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["ivr"]["dataset"]
    for word, made in (("noise", mix), ("subset", subset)):
        assert made.items() >= facts[word].items()
    assert facts["fingerprint"] == result["dataset_fingerprint"] != result["bellman_error_data"]


def test_another_mixture_or_subset_is_another_run(tmp_path, noise):
    words = (*SHORT, "noise=mix", noise, "subset=fraction", "subset.keep=0.5")
    train(tmp_path / "first", *words)
    checkpoint = f"resume={tmp_path / 'first' / 'checkpoints' / 'last.ckpt'}"
    for change in (
        "noise.expert_fraction=0.4", "noise.seed=1", "subset.keep=0.4", "subset.seed=1",
        "normalize=standard",
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"resume=.*{change.partition('.')[0][:6]}"):
            train(tmp_path / "second", *words, change, checkpoint)
    # The same noise at another place is the same noise, and other noise at the same place is not.
    place = Path(noise.partition("=")[2])
    moved = place.rename(place.with_name("moved"))
    same = (*(word for word in words if word != noise), f"noise.source={moved}")
    assert train(tmp_path / "third", *same, checkpoint)["status"] == "finished"
    moved.rename(place)
    other = place.with_name("other")
    other.mkdir()
    generate("umaze", other, transitions=1000, seed=8)
    with pytest.raises(UserError, match="the data have changed"):
        train(tmp_path / "fourth", *words, f"noise.source={other}", checkpoint)


NORMALISED = (
    "normalize=standard",
    "seed=[0,3]",
    "eval_every=20",
    "algo.actor_lr=1e-2",
    "algo.actor_lr_cosine=false",
    "dataset.max_episode_steps=40",
    "dataset.reward=scale_shift",
    "dataset.reward_scale=2",
    "dataset.reward_shift=-1",
)


@pytest.fixture(scope="module")
def normalised(tmp_path_factory, small_pointmaze):
    folder = tmp_path_factory.mktemp("normalised")
    return folder, train(folder, *NORMALISED, "num_updates=60")


def test_a_checkpoint_scores_again_what_the_training_scored(normalised, tmp_path):
    folder, result = normalised
    words = (f"checkpoint={folder / 'checkpoints' / 'last.ckpt'}", "episodes=2", "device=cpu")
    again = evaluate(tmp_path / "same", *words, f"seed={result['evaluation']['seed']}")
    for before, after in zip(result["members"], again["members"], strict=True):
        for name in ("return_mean", "normalized_score", "success_rate"):
            assert before["last"][name] == after[name]


def test_a_loaded_policy_acts_on_raw_observations(normalised):
    policy, content = load_policy(normalised[0] / "checkpoints" / "last.ckpt")
    arguments = content["ivr"]["arguments"]
    mean, scale = (torch.tensor(arguments[f"input_{k}"]) for k in ("mean", "scale"))
    raw = mean + scale * torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0))
    inner = policy.mode((raw - mean) / scale)
    torch.testing.assert_close(policy.act(raw), inner)  # the bounds are -1 and 1
    # Without the normalisation, or with it twice, the same weights are another policy.
    assert (policy.act(raw) - policy.mode(raw)).abs().max() > 0.1
    bare = {k: v for k, v in arguments.items() if not k.startswith("input_m")}
    assert "input_scale" in bare
    missing = algorithm_class(content["ivr"]["class"])
    with pytest.raises(ValueError, match="input_mean"):
        missing(**bare)


def test_a_normalised_run_goes_on_to_the_same_bits(normalised, tmp_path):
    train(tmp_path, *NORMALISED, "num_updates=20")
    train(tmp_path, *NORMALISED, "num_updates=60", "resume=auto")
    content, whole = (
        load_checkpoint(folder / "checkpoints" / "last.ckpt")
        for folder in (tmp_path, normalised[0])
    )
    for name, tensor in content["state_dict"].items():
        assert torch.equal(tensor, whole["state_dict"][name]), name
    assert content["ivr"]["arguments"] == whole["ivr"]["arguments"]


def test_the_bellman_error_is_of_the_clean_data_in_recorded_units(normalised):
    """Rewards are trained on as 2 r - 1: TD errors are twice as large, their squares four times."""
    policy, content = load_policy(normalised[0] / "checkpoints" / "last.ckpt")
    arguments = content["ivr"]["arguments"]
    mean, scale = (torch.tensor(arguments[f"input_{k}"]) for k in ("mean", "scale"))
    dataset = prepare(parse_dataset(content["ivr"]["config"]["dataset"])[0]).clean
    batch = clean_sample(dataset, Needs(), "cpu")
    states, following = ((s - mean) / scale for s in (batch.observations, batch.next_observations))
    q = policy.critic(states.expand(2, -1, -1), batch.actions.expand(2, -1, -1))
    v = policy.value(following.expand(2, -1, -1))
    errors = batch.rewards + arguments["discount"] * (1 - batch.terminated) * v - q.transpose(0, 1)
    expected = errors.square().mean((0, 2)) / 4
    for k, member in enumerate(normalised[1]["members"]):
        assert member["last"]["bellman_error"] == pytest.approx(float(expected[k]), rel=1e-4)


def test_an_algorithm_without_a_critic_has_no_bellman_error(tmp_path):
    result = train(tmp_path, *SHORT, "algo=bc")
    assert result["members"][0]["last"]["bellman_error"] is None


def test_one_run_of_a_sweep_is_resumed_as_one_run(tmp_path):
    train(tmp_path, "num_updates=4", "eval_every=4", "experiment=small_data", "subset.keep=0.5")
    words = arguments.prepare([f"resume={tmp_path / 'checkpoints' / 'last.ckpt'}"])
    assert "experiment=small_data" in words and "hydra.mode=RUN" in words


@pytest.mark.parametrize(
    ("algo", "epsilon"),
    [("dt", 1e-6), ("combo", 1e-6), ("td3bc", 1e-3), ("cql", 1e-3), ("calql", 1e-3)],
)
def test_an_algorithm_whose_authors_normalise_does_so_unless_asked_not_to(algo, epsilon):
    words = (f"algo={algo}", "dataset=hopper-medium")
    assert composed(words).normalize == {"name": "standard", "epsilon": epsilon}
    assert composed((*words, "normalize=none")).normalize == {"name": "none"}


@pytest.mark.parametrize("family", choices("family"))
@pytest.mark.parametrize("algo", ["cql", "calql"])
def test_conservative_q_learning_normalises_mujoco_and_ones_own_data_alone(algo, family):
    config = composed((f"algo={algo}", "dataset=arrays", f"family={family}"))
    assert config.normalize.name == ("standard" if family in ("mujoco", "own") else "none")


@pytest.mark.usefixtures("small_pointmaze")
@pytest.mark.parametrize("algo", ["dt", pytest.param("combo", marks=pytest.mark.slow)])
def test_a_run_from_when_they_normalised_by_themselves_is_resumed_and_scored(algo, tmp_path):
    """Its arguments were observation_mean and observation_std, and its normalize was none."""
    words = (f"algo={algo}", "eval_every=4", "seed=[0,3]")
    train(tmp_path / "whole", *words, "num_updates=8")
    result = train(tmp_path / "run", *words, "num_updates=4")
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    config, arguments = content["ivr"]["config"], content["ivr"]["arguments"]
    arguments["observation_mean"] = arguments.pop("input_mean")
    scale = torch.tensor(arguments.pop("input_scale"), dtype=torch.float64)
    arguments["observation_std"] = (scale - 1e-6).float().tolist()
    config["normalize"] = {"name": "none"}
    for options in (arguments, config["algo"]):
        options.pop("normalised", None)
    torch.save(content, path)
    scored = evaluate(tmp_path / "again", f"checkpoint={path}", "episodes=2", "seed=1000000")
    for before, now in zip(result["members"], scored["members"], strict=True):
        assert now["return_mean"] == pytest.approx(before["last"]["return_mean"], rel=1e-4)
    train(tmp_path / "run", *words, "num_updates=8", f"resume={path}")
    ended, whole = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("run", "whole")
    )
    assert all(torch.equal(ended[key], whole[key]) for key in whole)
