"""Which kernels multiply, and in which precision a run trains."""

import itertools
import json

import pytest
import torch

from ivr.errors import UserError
from ivr.training import precision
from ivr.training.precision import float32_products, relative_error
from tests.running import train


@pytest.fixture
def kernels(monkeypatch):
    """A CPU whose other library takes as long, and errs as much, as one says."""

    def pretend(seconds: float, error: float) -> None:
        def product(a, b):
            exact = torch.bmm(a.double(), b.double())
            assert torch.get_num_threads() == 1, "threads wait for what else the machine does"
            if torch.get_float32_matmul_precision() == "highest":
                return 1.0, exact
            return seconds, exact + error * exact.abs().max()

        monkeypatch.setattr(precision, "timed_product", product)

    return pretend


@pytest.mark.parametrize(
    ("seconds", "error", "chosen"),
    [
        (0.5, 3e-7, "medium"),
        (0.5, 1e-3, "highest"),  # bfloat16's error
        (0.9, 3e-7, "highest"),  # no more than noise
    ],
)
def test_faster_kernels_are_taken_if_they_are_as_accurate(kernels, seconds, error, chosen):
    kernels(seconds, error)
    before, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert float32_products("cpu") == chosen
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.get_float32_matmul_precision() == before


def test_a_gpu_is_not_told_to_round(kernels):
    kernels(0.1, 0.0)
    assert float32_products("cuda:1") == "highest"


def test_whatever_is_chosen_here_multiplies_in_float32():
    torch.set_float32_matmul_precision(float32_products("cpu"))
    a, b = torch.randn(2, 2, 300, 300, generator=torch.Generator().manual_seed(1))
    error = relative_error(torch.bmm(a, b), a, b)
    torch.set_float32_matmul_precision("highest")
    assert error < 1e-6 < relative_error(torch.bmm(a.bfloat16(), b.bfloat16()), a, b)


@pytest.mark.usefixtures("small_pointmaze")
def test_a_resumed_run_multiplies_as_it_did(tmp_path, monkeypatch):
    chosen = itertools.chain(["medium"], itertools.repeat("highest"))
    monkeypatch.setattr("ivr.commands.train.float32_products", lambda device: next(chosen))
    train(tmp_path, "num_updates=4")
    for _ in range(2):
        result = train(tmp_path, "num_updates=4", "resume=auto")
        assert result["float32_products"] == torch.get_float32_matmul_precision() == "medium"
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("small_pointmaze")
@pytest.mark.parametrize("algo", ["sql", "dt"])
def test_bf16_rounds_products_and_keeps_parameters(tmp_path, algo):
    """Close to float32 and not equal to it; what is saved is float32."""
    states = {}
    for word in ("float32", "bf16"):
        folder = tmp_path / word
        train(folder, f"algo={algo}", "num_updates=6", "eval_every=6", f"precision={word}")
        assert json.loads((folder / "result.json").read_text())["precision"] == word
        content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        states[word] = content["state_dict"]
    for name, exact in states["float32"].items():
        assert states["bf16"][name].dtype == exact.dtype
    flat = [torch.cat([p.flatten() for p in state.values()]) for state in states.values()]
    assert 1e-9 < (flat[0] - flat[1]).abs().mean() < 1e-2
    with pytest.raises(UserError, match=r"precision=float32, but .* precision=bf16"):
        train(tmp_path / "bf16", f"algo={algo}", "num_updates=6", "eval_every=6", "resume=auto")
