"""A policy of the API is written into a file that does what it does."""

import numpy as np
import onnxruntime
import pytest

import ivr
from tests.api.api_making import SMALL, log, own


@pytest.mark.slow
def test_the_file_acts_as_the_chosen_member(tmp_path):
    options = SMALL | {"seed": [0, 1], "normalize": "standard"}
    run = ivr.train(dataset=own(), folder=tmp_path / "run", **options)
    policy = run.policy(member=1)
    file = ivr.export_policy(policy, path=tmp_path / "valve.onnx", verbose=False)
    assert file == tmp_path / "valve.onnx"
    observations = np.asarray(log()["observations"], np.float32)
    (found,) = onnxruntime.InferenceSession(file).run(None, {"observations": observations})
    np.testing.assert_allclose(found, policy.act(observations), atol=1e-3)
    other = ivr.export_policy(run, member=0, verbose=False)
    assert other.parent == run.last_checkpoint.parent and other.suffix == ".onnx"


def test_a_wrong_option_is_an_error(tmp_path):
    with pytest.raises(ivr.UserError, match="format=tflite: must be onnx or torch"):
        ivr.export_policy(tmp_path / "last.ckpt", format="tflite")
    with pytest.raises(ivr.UserError, match="no checkpoint at"):
        ivr.export_policy(tmp_path / "last.ckpt")
