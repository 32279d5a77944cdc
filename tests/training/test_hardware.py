"""What is chosen for the machine: by rules that no timing decides, and kept by resumed runs."""

import dataclasses
import json
import platform
import re
import subprocess
import sys
import time

import pytest
import torch

from ivr.commands import train as commands_train
from ivr.errors import UserError
from ivr.training import hardware
from ivr.training.hardware import product_error, product_library, relative_error
from ivr.training.precisions import LIBRARIES
from ivr.training.resume import resume_from
from tests.running import train


@pytest.mark.parametrize(
    ("vendor", "capability", "error", "library", "reason"),
    [
        ("AuthenticAMD", "AVX512", 3e-7, "onednn", "exact, and the faster"),
        ("AuthenticAMD", "AVX512", 1e-3, "mkl", r"errs by 1\.0e-03"),  # bfloat16's error
        ("AuthenticAMD", "AVX2", 3e-7, "mkl", "only on a processor with AVX-512"),
        ("GenuineIntel", "AVX512", 3e-7, "mkl", "GenuineIntel"),
        ("", "DEFAULT", 3e-7, "mkl", "unknown make"),
    ],
)
def test_the_processor_and_accuracy_choose_the_library(
    monkeypatch, vendor, capability, error, library, reason
):
    monkeypatch.setattr(hardware, "cpu_vendor", lambda: vendor)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(hardware, "product_error", lambda _: error)
    chosen, rule = product_library("auto", "cpu")
    assert chosen == library and re.search(reason, rule)


def test_no_clock_is_read(monkeypatch):
    """Under load a timing decides by chance, and with it the last bits of a training."""

    def read() -> float:
        raise AssertionError("a clock was read")

    for clock in ("perf_counter", "monotonic", "process_time", "time"):
        monkeypatch.setattr(time, clock, read)
    for vendor in ("AuthenticAMD", "GenuineIntel"):
        monkeypatch.setattr(hardware, "cpu_vendor", lambda vendor=vendor: vendor)
        product_library("auto", "cpu")


def test_without_avx512_nothing_is_called_onednn(monkeypatch):
    """Torch would make the products with MKL, whatever it is told."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    chosen, rule = product_library("onednn", "cpu")
    assert chosen == "mkl" and re.search("float32_products=onednn, but .* AVX-512", rule)


def test_a_person_chooses_over_the_rule_but_no_gpu_is_told_to_round(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for library in LIBRARIES:
        assert product_library(library, "cpu") == (library, f"float32_products={library}")
        assert product_library(library, "cuda:1")[0] == "mkl"


def test_whatever_is_chosen_here_multiplies_in_float32():
    before = torch.get_float32_matmul_precision()
    chosen, _ = product_library("auto", "cpu")
    a, b = torch.randn(2, 2, 300, 300, generator=torch.Generator().manual_seed(1))
    assert (
        product_error(chosen) < 1e-6 < relative_error(torch.bmm(a.bfloat16(), b.bfloat16()), a, b)
    )
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.usefixtures("small_pointmaze")
def test_a_resumed_run_multiplies_as_it_did(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    started = train(tmp_path, "num_updates=4", "float32_products=onednn")
    assert started["float32_products"]["rule"] == "float32_products=onednn"
    for _ in range(2):
        result = train(tmp_path, "num_updates=4", "resume=auto")
        assert result["float32_products"]["library"] == "onednn"
        assert torch.get_float32_matmul_precision() == LIBRARIES["onednn"]
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("small_pointmaze")
def test_a_run_that_goes_on_on_a_gpu_leaves_the_cpus_library_behind(monkeypatch, tmp_path):
    """There "medium", which selects oneDNN on a CPU, would round."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    train(tmp_path, "num_updates=4", "float32_products=onednn")
    kept = []

    def resumed(path, record, *rest):
        config = {**record.config, "device": "cuda"}
        gpu = dataclasses.replace(record, config=config, float32_products="highest")
        kept.append(resume_from(path, gpu, *rest).float32_products)
        return resume_from(path, record, *rest)

    monkeypatch.setattr(commands_train, "resume_from", resumed)
    train(tmp_path, "num_updates=4", "resume=auto")
    assert kept == ["highest"]
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("small_pointmaze")
@pytest.mark.parametrize("algo", ["sql", "dt"])
def test_bf16_rounds_products_and_keeps_parameters(tmp_path, algo):
    """Close to float32 and not equal to it; what is saved is float32."""
    states = {}
    for precision in ("float32", "bf16"):
        folder = tmp_path / precision
        train(folder, f"algo={algo}", "num_updates=6", "eval_every=6", f"precision={precision}")
        assert json.loads((folder / "result.json").read_text())["precision"] == precision
        content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        states[precision] = content["state_dict"]
    for name, exact in states["float32"].items():
        assert states["bf16"][name].dtype == exact.dtype
    flat = [torch.cat([p.flatten() for p in state.values()]) for state in states.values()]
    assert 1e-9 < (flat[0] - flat[1]).abs().mean() < 1e-2
    with pytest.raises(UserError, match=r"precision=float32, but .* precision=bf16"):
        train(tmp_path / "bf16", f"algo={algo}", "num_updates=6", "eval_every=6", "resume=auto")


PAGE_FAULTS = """
import resource
import torch
from ivr.training.hardware import keep_freed_memory

if {keep}:
    keep_freed_memory()

def update():
    first, second = torch.ones(3_000_000), torch.ones(2_000_000)
    return float(first[0] + second[0])

for _ in range(10):
    update()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    update()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(keep: bool) -> int:
    """Of ten updates that free 20 MB each, after ten others."""
    command = [sys.executable, "-c", PAGE_FAULTS.format(keep=keep)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_what_an_update_frees_serves_the_next_without_new_pages():
    kept = page_faults(keep=True)
    assert kept <= page_faults(keep=False)
    if platform.libc_ver()[0] == "glibc":
        assert kept < 100
