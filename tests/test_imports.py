"""Every module can be imported where Python lacks what only Unix has, as on Windows."""

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "ivr"

_CODE = """
import errno, importlib, os, sys
import psutil  # whose Linux half needs `resource`

sys.modules.update(dict.fromkeys(("fcntl", "resource", "pwd", "grp", "termios")))
import torch, gymnasium_robotics, minari, pytorch_lightning  # before what only Linux has goes

del os.sched_getaffinity, os.fork, errno.EDQUOT
for name in sys.argv[1:]:
    importlib.import_module(name)
print("imported", len(sys.argv) - 1)
"""


def test_every_module_imports_without_what_only_unix_has() -> None:
    files = [path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")]
    modules = sorted(".".join(file.parts).removesuffix(".__init__") for file in files)
    done = subprocess.run(
        [sys.executable, "-c", _CODE, *modules], capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith(f"imported {len(modules)}\n"), done.stderr[-2000:]
