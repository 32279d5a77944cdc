"""Every command of every scale is one that train.py or finetune.py takes."""

from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from ivr.commands.train import TrainConfig
from ivr.config.online.spec import FinetuneConfig
from ivr.config.overrides import _flat, parse_overrides
from ivr.config.search import CONFIG_DIR, choices
from ivr.paper.deck import PARTS
from ivr.paper.needs import absent
from ivr.paper.plan import Step, steps
from ivr.report.paper import SCORES
from tests.running import composed

SCALES = ("smoke", "night", "full")


def scale(name: str) -> Any:
    config = composed((f"scale={name}",), "paper")
    return OmegaConf.to_container(config.scale, resolve=True)


def plan(name: str, folder: Path = Path("outputs/paper/x")) -> list[Step]:
    """All commands, those that only count without data among them."""
    whole = scale(name)
    for one in whole["sets"]:
        one.pop("otherwise", None)
    return steps(whole, folder, list(PARTS))


def values(override: Override) -> list[str]:
    given: Any = override.value()
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    return [str(given)]


def jobs(step: Step) -> list[tuple[str, ...]]:
    """Each value of each swept option once, beside the others' first."""
    parsed = parse_overrides(step.words)
    swept = [o for o in parsed if o.is_sweep_override()]
    fixed = [str(o.input_line) for o in parsed if not o.is_sweep_override()]
    found = []
    for row in zip_longest(*map(values, swept)):
        chosen = [x or values(o)[0] for x, o in zip(row, swept, strict=True)]
        found.append(
            (*fixed, *(f"{o.key_or_group}={x}" for o, x in zip(swept, chosen, strict=True)))
        )
    return found or [tuple(fixed)]


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """The options of each program, whichever algorithm and transform they belong to."""
    of_training = (("noise=mix", "subset=heavy_tail", "experiment=noisy_data"), ("algo=dt",))
    return {
        "train": set.union(*(_flat(composed(words)) for words in of_training)),
        "generate": {"dataset.transitions"},
        "finetune": _flat(composed(("online=remodel",), "finetune")),
    }


@pytest.mark.parametrize("name", SCALES)
def test_every_option_of_every_command_is_one(name, known) -> None:
    for step in plan(name):
        for override in parse_overrides(step.words):
            key = override.key_or_group
            if (CONFIG_DIR / key).is_dir():
                files = {path.stem for path in (CONFIG_DIR / key).glob("*.yaml")}
                assert set(values(override)) <= files, override.input_line
            else:
                assert key in known[step.program], override.input_line


@pytest.mark.slow
@pytest.mark.parametrize("name", SCALES)
def test_every_job_composes(name) -> None:
    for step in plan(name):
        for words in jobs(step):
            if step.program == "train":
                config = TrainConfig.parse(composed(words))
                assert len(config.seed) >= 2
            elif step.program == "finetune":
                FinetuneConfig.parse(composed(words, "finetune"))


def test_the_full_scale_makes_every_number_of_the_papers_table() -> None:
    made = {
        (words["dataset"], algo)
        for step in plan("full")
        if step.part == "table"
        for words in [dict(word.split("=", 1) for word in step.words)]
        for algo in words["algo"].split(",")
    }
    assert made == set(SCORES)


def test_the_full_scale_names_what_is_not_on_this_machine(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    whole = plan("full")
    assert all(absent(step.words) for step in whole)
    (tmp_path / "hopper_medium-v2.hdf5").touch()
    there = [step for step in whole if not absent(step.words)]
    assert [(step.part, step.folder.name) for step in there] == [("table", "hopper-medium")]
    (tmp_path / "hopper_expert-v2.hdf5").touch()
    there = [step for step in whole if step.part == "noisy" and not absent(step.words)]
    assert [step.folder.name for step in there] == ["hopper-medium"]
    named = {path.name for step in whole for path in absent(step.words)}
    assert "Ant_maze_u-maze_noisy_multistart_False_multigoal_False_sparse_fixed.hdf5" in named


def test_the_night_takes_pointmazes_where_its_folder_is_not(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("IVR_SHARED_DATA", str(tmp_path / "none"))
    found = steps(scale("night"), tmp_path, list(PARTS))
    ready = {(s.part, s.folder.name) for s in found if not absent(s.words)}
    assert ready == {
        ("table", "pointmaze-umaze"), ("table", "pointmaze-medium"), ("table", "pointmaze-large"),
        ("small", "pointmaze-medium"),
    }  # fmt: skip
    monkeypatch.setenv("IVR_SHARED_DATA", str(tmp_path))
    for name in ("hopper-medium.hdf5", "hopper-expert.hdf5", "hopper-random.hdf5"):
        (tmp_path / name).touch()
    found = steps(scale("night"), tmp_path, ["table"])
    # Those of the folder; the one that is not in it is named.
    assert [step.folder.name for step in found if absent(step.words)] == ["antmaze-medium-play"]
    assert not any("pointmaze" in step.folder.name for step in found)
    online = steps(scale("night"), tmp_path, ["online"])
    assert [step.folder.name for step in online] == ["hopper-medium"]


def test_the_smoke_test_needs_nothing_but_what_it_makes(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("IVR_SHARED_DATA", str(tmp_path / "none"))
    words = [word for step in plan("smoke") for word in step.words]
    assert not any("shared" in word or word.startswith("dataset.source") for word in words)
    assert {step.part for step in plan("smoke")} == set(PARTS)
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    made = {path.suffix for step in plan("smoke") for path in absent(step.words)}
    assert made == {".hdf5", ".ckpt"}  # by its own commands before
    first = plan("smoke")[0]
    assert [step.part for step in plan("smoke") if not absent(step.words)].count("table") == 3
    assert absent(first.words) == []


def test_jobs_of_a_dataset_are_one_sweep() -> None:
    step = plan("night")[0]
    assert step.folder == Path("outputs/paper/x/table/hopper-medium")
    assert step.arguments[-2:] == ["sweep=paper", f"hydra.sweep.dir={step.folder}"]
    assert "dataset.path=[a b,c]" in steps(
        {"sets": [{"part": "table", "commands": ["algo=sql"],
                   "datasets": {"x": "'dataset.path=[a b,c]'"}}]}, Path("f"), ["table"],
    )[0].words  # fmt: skip


def test_every_scale_is_there() -> None:
    assert set(choices("scale")) == set(SCALES)
