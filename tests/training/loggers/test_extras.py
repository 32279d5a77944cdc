"""What W&B and MLflow keep of a run of two members, read back with their own libraries."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import train

pytestmark = [pytest.mark.extras, pytest.mark.usefixtures("small_pointmaze")]
WORDS = ("num_updates=20", "eval_every=10", "log_every=5", "seed=[0,1]", "alpha=1")


def scanned(file: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: LevelDB's log format after a header of 7 bytes."""
    position, parts = 7, b""
    while position + 7 <= len(file):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", file, position + 4)
        parts += file[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield parts
            parts = b""


def test_wandb_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    import wandb
    from wandb.proto import wandb_internal_pb2

    train(tmp_path, *WORDS, "logger=wandb")
    assert wandb.run is None, "the next run of the process gets its own"
    (path,) = Path(tmp_path).glob("wandb/offline-run-*/*.wandb")
    rows, names = [], []
    for data in scanned(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        names += [record.run.display_name] if record.WhichOneof("record_type") == "run" else []
        if record.WhichOneof("record_type") == "history":
            rows.append(
                {"/".join(i.nested_key) or i.key: i.value_json for i in record.history.item}
            )
    assert set(names) == {"sql pointmaze-umaze"}
    steps = [row["trainer/global_step"] for row in rows if "evaluation/score" in row]
    assert steps == ["10", "20"]
    assert [row["trainer/global_step"] for row in rows if "loss/critic_seed1_alpha1.0" in row] == [
        "5", "10", "15", "20"
    ]  # fmt: skip


def test_mlflow_with_a_local_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from mlflow.tracking import MlflowClient

    result = train(tmp_path, *WORDS, "logger=mlflow")
    client = MlflowClient(f"file:{tmp_path / 'mlruns'}")
    experiment = client.get_experiment_by_name("ivr")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "evaluation/return_mean_seed1_alpha1.0")
    assert [point.step for point in history] == [10, 20]
    assert history[-1].value == pytest.approx(result["members"][1]["last"]["return_mean"])
    assert run.data.params["algo"] == "sql" and run.info.status == "FINISHED"
