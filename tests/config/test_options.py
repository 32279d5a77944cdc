"""What is checked before torch is imported."""

import pytest

from ivr.config.options import check_options
from ivr.config.schema import TrainConfig
from ivr.errors import UserError
from tests.running import composed


@pytest.mark.parametrize(("command", "name"), [("train", "config"), ("finetune", "finetune")])
def test_a_program_takes_its_own_defaults(command, name):
    check_options(command, composed((), name))
    for word in ("log_every=null", "num_updates=0"):
        with pytest.raises(UserError, match=word.replace("null", "(null|None)")):
            check_options(command, composed((word,), name))


@pytest.mark.parametrize("value", ["5", "true", "[1,2]"])
def test_a_path_is_a_text(value):
    with pytest.raises(UserError, match=r"dataset\.path=.*: must be a word or a list, each a word"):
        TrainConfig.parse(composed(("dataset=arrays", f"dataset.path={value}")))
