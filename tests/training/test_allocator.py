"""The C library's allocator, told to keep what is freed."""

import platform
import subprocess
import sys

PAGE_FAULTS = """
import resource
import torch
from ivr.training.allocator import keep_freed_memory

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
