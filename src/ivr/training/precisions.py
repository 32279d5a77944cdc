"""How float32 numbers are computed, by the words of the options.

Light to import: a value that is not allowed is told before torch is loaded.
"""

PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}
"""Values of the option `precision`, and Lightning's names for them."""

LIBRARIES = {"mkl": "highest", "onednn": "medium"}
"""Libraries that can make float32 products on a CPU, and the
`torch.set_float32_matmul_precision` that selects each."""
