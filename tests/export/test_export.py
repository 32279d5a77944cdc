"""A file that runs without ivr does what the checkpoint does, and says what it is."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ivr.api.policy import load_policy
from ivr.commands import export as command
from ivr.commands import train as run
from ivr.config import recorded
from ivr.errors import UserError
from ivr.export.facts import as_text, from_text
from ivr.export.formats import FORMATS, read_facts
from ivr.export.policy import number_of, one_member
from ivr.types import RememberingPolicy
from tests.algos.algorithm_making import CASES, STATES, arguments_of, build
from tests.running import composed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "export.md"

REMEMBERS = [case for case in CASES if isinstance(build(case, [0]), RememberingPolicy)]
OTHERS = [case for case in CASES if case not in REMEMBERS]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """Of two members that are trained on observations of large and small units."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    np.savez(
        folder / "log.npz",
        observations=rng.normal([105_000, 0.5, 7], [3_000, 0.1, 0], size=(60, 3)),
        actions=rng.uniform([0, -3], [40, 5], size=(60, 2)),
        rewards=rng.normal(size=60),
        terminated=np.zeros(60, dtype=bool),
        truncated=np.arange(60) % 6 == 5,
    )
    words = (
        "dataset=arrays", f"dataset.path={folder / 'log.npz'}", "normalize=standard", "split=0.2",
        "algo=iql", "algo.hidden=[8,8]", "batch_size=8", "num_updates=4", "eval_every=4",
        "device=cpu", "compile=false", "dataset.action_low=[0,-3]", "dataset.action_high=[40,5]",
        "seed=[0,3]",
    )  # fmt: skip
    run.train(composed(words), folder, list(words))
    return folder / "checkpoints" / "best.ckpt"


def _export(checkpoint: Path, *words: str) -> Path:
    given = (f"checkpoint={checkpoint}", *words)
    return command.run(composed(given, "export"), checkpoint.parent, list(given))


@pytest.fixture(scope="module")
def exported(checkpoint) -> Path:
    return _export(checkpoint)


def _observations(count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal([105_000, 0.5, 7], [9_000, 0.3, 0], size=(count, 3)).astype(np.float32)


def test_onnxruntime_takes_raw_observations_and_gives_raw_actions(checkpoint, exported):
    path = exported
    session = onnxruntime.InferenceSession(path)
    policy = load_policy(checkpoint, member="best")
    known = json.loads(session.get_modelmeta().custom_metadata_map["ivr"])
    for count in (1, 5, 33):
        observations = _observations(count)
        (actions,) = session.run(None, {"observations": observations})
        wanted = policy.act(observations)
        assert actions.shape == (count, 2)
        np.testing.assert_allclose(actions, wanted, atol=40e-5)
        assert np.ptp(wanted[:, 0]) > 1e-2 or count == 1, "the units matter"
    assert known == read_facts(path)
    assert known["observations"] == ["observation_0", "observation_1", "observation_2"]
    assert (known["action_low"], known["action_high"]) == ([0, -3], [40, 5])
    assert known["seed"] == policy.members[policy.best].seed
    assert known["checked"]["on"] == "observations of the data"
    assert known["score"]["update"] == known["update"] == 4
    assert known["dataset"]["split"]["episodes"] == 2 and "explained_variance" in known["score"]
    content = torch.load(checkpoint, weights_only=True)
    assert known["dataset"]["fingerprint"] == content["ivr"]["dataset"]["fingerprint"]


def test_the_page_serves_what_the_data_know_and_nothing_else(
    checkpoint, exported, tmp_path, monkeypatch
):
    shutil.copy(exported, tmp_path / "policy.onnx")
    code = re.search(r"```python\n(import json.*?)```", PAGE.read_text(encoding="utf-8"), re.S)[1]
    monkeypatch.chdir(tmp_path)
    serving = {}
    exec(compile(code.rpartition("\nHTTPServer")[0], str(PAGE), "exec"), serving)
    observations = np.load(checkpoint.parents[1] / "log.npz")["observations"][:3]
    wanted = load_policy(checkpoint).act(observations.astype(np.float32))
    np.testing.assert_allclose(serving["act"](observations.tolist()), wanted, atol=40e-5)
    np.testing.assert_allclose(serving["act"](observations[0].tolist()), wanted[0], atol=40e-5)
    for strange in (np.nan, -9999):
        with pytest.raises(ValueError, match="lies outside of"):
            serving["act"]([*observations[0, :2].tolist(), strange])


@pytest.mark.slow
def test_torch_loads_it_without_ivr(checkpoint):
    path = _export(checkpoint, "format=torch", "member=1")
    observations = torch.from_numpy(_observations(7))
    wanted = load_policy(checkpoint, member=1).act(observations.numpy())
    found = torch.export.load(path).module()(observations)
    np.testing.assert_allclose(found.numpy(), wanted, atol=40e-5)
    assert read_facts(path)["seed"] == 3


def test_of_data_that_have_changed_it_says_nothing(checkpoint, exported, tmp_path, caplog):
    """Their range would stand beside the fingerprint of others; their width may be another."""
    file = checkpoint.parents[1] / "log.npz"
    whole = file.read_bytes()
    arrays = dict(np.load(file))
    path = f"path={tmp_path / 'policy.onnx'}"
    try:
        for changed in (1000 * arrays["observations"], np.zeros((60, 4))):
            np.savez(file, **(arrays | {"observations": changed}))
            known = read_facts(_export(checkpoint, path))
            assert "the data have changed" in caplog.text
            assert known["checked"]["on"] == "drawn observations"
            assert known["observation_low"] is known["observation_high"] is None
            caplog.clear()
    finally:
        file.write_bytes(whole)
    assert read_facts(exported)["observation_high"][0] > 105_000


def test_nothing_is_fetched_for_the_noise_that_a_checkpoint_names(checkpoint, monkeypatch):
    description = torch.load(checkpoint, weights_only=True)["ivr"]
    noise = {"name": "mix", "source": None, "id": "mujoco/hopper/simple-v0", "seed": 0}
    noise |= {"expert_fraction": 0.5, "transitions": 10}
    description["config"]["noise"] = noise
    path = checkpoint.parents[1] / "log.npz"
    given = ("dataset=arrays", f"dataset.path={path}")
    node = OmegaConf.to_container(composed(given).dataset, resolve=True)
    description["config"]["dataset"] = node | {"source": "minari", "path": str(path)}
    monkeypatch.setattr(recorded, "prepare", lambda *given: pytest.fail("it was loaded"))
    with pytest.raises(UserError, match="_noise, are not on this machine"):
        recorded.recorded_observations(description)


@pytest.mark.parametrize(
    ("name", "said"), [("x.onnx", "it is a folder"), ("file/x.onnx", "nothing can be written into")]
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, name, said):
    (tmp_path / "x.onnx").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=rf"path={tmp_path / name}: {said}"):
        _export(tmp_path / "none.ckpt", f"path={tmp_path / name}")


def test_a_file_that_would_act_otherwise_is_not_written(checkpoint, tmp_path, monkeypatch):
    wrong = FORMATS["onnx"].__class__(lambda *_: b"", lambda _, x: x[:, :2] * 0)
    monkeypatch.setitem(FORMATS, "onnx", wrong)
    with pytest.raises(UserError, match=r"differs .* nothing was written"):
        _export(checkpoint, f"path={tmp_path / 'policy.onnx'}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", OTHERS)
def test_a_member_by_itself_is_the_member_of_the_stack(case):
    algorithm = build(case, [0, 5])
    description = {"arguments": arguments_of(case, [0, 5])}
    states = torch.randn(9, STATES, generator=torch.Generator().manual_seed(0))
    together = algorithm.act(states.expand(2, -1, -1))
    for k in (0, 1):
        torch.testing.assert_close(one_member(algorithm, description, k)(states), together[k])
    assert not torch.allclose(*together)


@pytest.mark.slow
@pytest.mark.parametrize("case", OTHERS)
def test_onnxruntime_runs_every_policy_that_is_a_function_of_the_observation(case):
    policy = one_member(build(case, [2]), {"arguments": arguments_of(case, [2])}, 0)
    states = torch.randn(9, STATES, generator=torch.Generator().manual_seed(0))
    content = FORMATS["onnx"].write(policy, STATES, "{}")
    torch.testing.assert_close(FORMATS["onnx"].run(content, states), policy(states))


@pytest.mark.parametrize("case", REMEMBERS)
def test_a_policy_that_remembers_its_episode_is_refused_by_name(case):
    algorithm = build(case, [0])
    with pytest.raises(UserError, match=rf"{type(algorithm).__name__} cannot be exported"):
        one_member(algorithm, {"arguments": arguments_of(case, [0])}, 0)


def test_what_decision_transformer_and_candidates_are_among_them():
    assert {"dt", "bcq", "onestep-easy-bcq"} <= set(REMEMBERS)
    assert {"sql", "rvs", "cql", "mcq", "remodel", "rlpd"} <= set(OTHERS)


@pytest.mark.parametrize(
    ("choice", "said"),
    [("best", "knows no score"), (2, "number of 0 .seed0., 1 .seed3"), (True, "must be best")],
)
def test_a_member_that_is_not_there_is_named(choice, said):
    content = {"ivr": {"members": [[0, None], [3, None]]}}
    with pytest.raises(UserError, match=said):
        number_of(choice, content)
    assert number_of(1, content) == 1


KNOWN = {
    "observations": ["p_Pa"], "actions": ["valve"], "action_low": [0.0], "action_high": [1.0],
    "algorithm": "sql", "class": "a.B", "seed": 0, "alpha": None, "update": 3, "score": {},
    "dataset": {"name": "x", "split": None}, "environment": None, "checked": {"on": "x"},
    "versions": {"ivr": "0"},
}  # fmt: skip


@given(st.sampled_from(sorted(KNOWN)), st.one_of(st.none(), st.integers(-9, -1), st.just("\x1b")))
def test_facts_of_another_kind_are_refused(key, value):
    assert from_text(as_text(KNOWN), "x") == KNOWN
    if KNOWN[key] is None and value is None:
        return
    if key == "alpha" and isinstance(value, int):
        return
    with pytest.raises(UserError, match=rf"x was not written by export\.py.* lack {key}"):
        from_text(json.dumps({**KNOWN, key: value}), "x")


@pytest.mark.parametrize("written", ["", "[]", "3", '{"a": 1}', "[" * 100_000])
def test_facts_that_are_no_mapping_are_refused(written):
    with pytest.raises(UserError, match=r"was not written by export\.py"):
        from_text(written, "x")


def test_files_that_are_none_are_refused(tmp_path):
    for name in ("a.onnx", "a.pt2"):
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(UserError, match=rf"{name}"):
            read_facts(tmp_path / name)
