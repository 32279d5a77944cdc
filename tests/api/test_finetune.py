"""Training online from Python is the command's."""

import pytest

import ivr
from tests.api.api_making import SMALL, same_weights
from tests.running import finetune as command


@pytest.mark.slow
def test_it_is_the_commands_run_to_the_last_bit(tmp_path, small_pointmaze, capsys):
    maze = {"dataset": "pointmaze-umaze", "dataset__max_episode_steps": 20, "eval_episodes": 2}
    run = ivr.train(**maze, **SMALL, folder=tmp_path / "offline")
    capsys.readouterr()
    few = {"warmup_steps": 40, "num_steps": 80, "eval_every": 80, "eval_episodes": 2}
    few |= {"batch_size": 16, "collect_every": 20, "device": "cpu", "compile": False}
    online = ivr.finetune(run, online="rlpd", folder=tmp_path / "api", verbose=False, **few)
    assert capsys.readouterr().out == "" and online.status == "finished"
    words = [f"{key}={str(value).lower()}" for key, value in few.items()]
    words += [f"checkpoint={run.last_checkpoint}", "online=rlpd"]
    expected = command(tmp_path / "command", *words)
    assert online.members == expected["members"]
    assert same_weights(online.last_checkpoint, tmp_path / "command" / "checkpoints" / "last.ckpt")
    with pytest.raises(ivr.UserError, match="online=sak is unknown: did you mean sac"):
        ivr.finetune(run, online="sak")
