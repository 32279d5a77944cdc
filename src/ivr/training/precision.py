"""How numbers are multiplied: in float32 or bfloat16, and by which of the CPU's libraries."""

import time

import torch
from torch import Tensor

PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}
"""Words for `precision=`, and Lightning's. In bf16 products alone are, parameters stay float32."""

LARGEST_ERROR = 1e-6
"""Relative to the largest entry, of a float32 product; a rounding is 6e-8."""
WORTHWHILE = 1.3
"""How many times as fast the other library must be: well above what noise makes of one."""


def float32_products(device: str) -> str:
    """The `torch.set_float32_matmul_precision` that multiplies fastest at full accuracy.

    On a CPU "medium" only allows oneDNN's kernels: on some they are twice as fast as MKL's and as
    accurate, on others they round to bfloat16, or are not used at all. So it is measured, on the
    product of a layer of 256; a tenth of a second. On a GPU it would round: always "highest".

    One thread measures: several wait for one another, and so for whatever else the machine does;
    the same command would choose by chance, and with it the last bits of a training.
    """
    if device != "cpu":
        return "highest"
    before, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    torch.set_num_threads(1)
    a, b = torch.randn(2, 2, 256, 256, generator=torch.Generator().manual_seed(0))
    seconds = {"highest": float("inf"), "medium": float("inf")}
    errors = {}
    for _ in range(10):
        for word in seconds:
            torch.set_float32_matmul_precision(word)
            taken, product = timed_product(a, b)
            seconds[word] = min(seconds[word], taken)
            errors[word] = relative_error(product, a, b)
    torch.set_float32_matmul_precision(before)
    torch.set_num_threads(threads)
    faster = seconds["medium"] * WORTHWHILE < seconds["highest"]
    return "medium" if faster and errors["medium"] <= LARGEST_ERROR else "highest"


def timed_product(a: Tensor, b: Tensor) -> tuple[float, Tensor]:
    """Seconds of five products, and one of them."""
    product = torch.bmm(a, b)
    started = time.perf_counter()
    for _ in range(5):
        torch.bmm(a, b, out=product)
    return time.perf_counter() - started, product


def relative_error(product: Tensor, a: Tensor, b: Tensor) -> float:
    """The largest, relative to the largest entry."""
    exact = torch.bmm(a.double(), b.double())
    return float((product - exact).abs().max() / exact.abs().max())
