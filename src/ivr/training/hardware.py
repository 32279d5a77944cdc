"""Settings of the process that depend on the machine: products, compiler, allocator."""

import ctypes
import platform
import shutil
import sys
import warnings
from pathlib import Path

import torch
from torch import Tensor

from ivr.training.precisions import LIBRARIES

LARGEST_ERROR = 1e-6
"""Relative to the largest entry, of a float32 product; one rounding is 6e-8."""

BEYOND_REACH = "torch has oneDNN's products only on a processor with AVX-512"

# On two cores compiling takes some 30 seconds and saves about 4 milliseconds an update.
WORTHWHILE_UPDATES = 20_000

# Of glibc's <malloc.h>.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
LARGEST_INT = 2**31 - 1


def product_library(option: str, device: str) -> tuple[str, str]:
    """Choose the library for float32 products by a rule, never by a timing, which chance decides.

    oneDNN, which torch uses only with AVX-512 and where "medium" precision is allowed, multiplies
    1.25 to 2.3 times as fast as MKL on AMD's processors (docs/speed.md). It is taken there if it is
    as accurate: with some instructions it rounds to bfloat16.

    Args:
        option: "auto", or a key of `LIBRARIES`.
        device: "cpu", or a GPU, where "medium" would round.

    Returns:
        A key of `LIBRARIES`, and the rule that chose it.
    """
    if device != "cpu":
        return "mkl", "products on a GPU are made at full precision"
    within_reach = torch.backends.cpu.get_cpu_capability() == "AVX512"
    if option == "onednn" and not within_reach:
        return "mkl", f"float32_products=onednn, but {BEYOND_REACH}"
    if option != "auto":
        return option, f"float32_products={option}"
    vendor = cpu_vendor()
    if vendor != "AuthenticAMD":
        return "mkl", f"torch's default on a processor of {vendor or 'unknown make'}"
    if not within_reach:
        return "mkl", BEYOND_REACH
    error = product_error("onednn")
    if error > LARGEST_ERROR:
        return "mkl", f"oneDNN errs by {error:.1e} on this processor of {vendor}"
    return "onednn", f"oneDNN is exact, and the faster, on this processor of {vendor}"


def library_of(setting: str) -> str:
    """Name the library that a `torch.set_float32_matmul_precision` selects."""
    return next(name for name, selects in LIBRARIES.items() if selects == setting)


def cpu_vendor() -> str:
    """Read the vendor string of an x86 processor, such as GenuineIntel; "" where there is none."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(errors="replace") if info.exists() else platform.processor()
    return next((name for name in ("AuthenticAMD", "GenuineIntel") if name in text), "")


def product_error(library: str) -> float:
    """Measure the relative error of a library's product, of the size of a layer of 256."""
    a, b = torch.randn(2, 2, 256, 256, generator=torch.Generator().manual_seed(0))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(LIBRARIES[library])
    try:
        return relative_error(torch.bmm(a, b), a, b)
    finally:
        torch.set_float32_matmul_precision(before)


def relative_error(product: Tensor, a: Tensor, b: Tensor) -> float:
    """Compare a product with float64's: the largest error, relative to the largest entry."""
    exact = torch.bmm(a.double(), b.double())
    return float((product - exact).abs().max() / exact.abs().max())


def compiler_wanted(option: str, num_updates: int, device: str) -> bool:
    """Decide `compile=auto|true|false`; warns where a compiler is wanted and there is none.

    Compiling takes half a minute at the start and makes every update faster.
    """
    if option == "false" or (option == "auto" and num_updates < WORTHWHILE_UPDATES):
        return False
    if device == "cpu" and not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        warnings.warn("compile: no C++ compiler found, so the updates run uncompiled", stacklevel=2)
        return False
    import torch._dynamo  # takes a second

    # The compiler gives up a function that it has compiled too often, as a sweep would.
    torch._dynamo.reset()
    return True


def keep_freed_memory() -> None:
    """Let this process keep what it frees, up to 2 GiB, for its next allocations.

    Every update frees its activations and asks for as much again. By default glibc hands blocks of
    megabytes back to the system, which must then clear every page of them anew: a third of the
    time of an update of eight runs (docs/speed.md). Elsewhere than on glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
