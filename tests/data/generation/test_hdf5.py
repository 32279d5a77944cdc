import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from ivr.data.generation.hdf5 import new_hdf5

_FULL = """
import os, sys
from pathlib import Path
import numpy as np
from ivr.data.generation.hdf5 import new_hdf5

try:
    with new_hdf5(Path(sys.argv[1])) as (file, disk):
        for i in range(2000):
            if i == int(sys.argv[2]):  # from here on the disk is full
                os.dup2(os.open("/dev/full", os.O_RDWR), disk.fileno())
            file.create_group(f"{i}").create_dataset("x", data=np.full(100, i), chunks=(50,))
except OSError as error:
    print(error.errno)
"""


@pytest.mark.parametrize("full_from", [100, 1999])  # it is seen while writing, or at the end only
def test_a_full_disk_is_an_error_and_no_segmentation_fault(tmp_path: Path, full_from: int) -> None:
    path = tmp_path / "a.hdf5"
    command = [sys.executable, "-c", _FULL, str(path), str(full_from)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{errno.ENOSPC}\n"


def test_it_is_seen_as_soon_as_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), new_hdf5(tmp_path / "a") as (file, disk):
        disk.check()
        os.dup2(os.open("/dev/full", os.O_WRONLY), disk.fileno())
        file["x"] = range(100_000)
        disk.check()
        raise AssertionError("not reached")


def test_other_errors_pass_and_what_is_written_is_plain_hdf5(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_hdf5(tmp_path / "a.hdf5") as (file, _):
        raise KeyboardInterrupt
    assert not file
    with new_hdf5(tmp_path / "a.hdf5") as (file, _):
        file["x"] = [1, 2]
    with h5py.File(tmp_path / "a.hdf5") as read:
        assert read["x"][:].tolist() == [1, 2]
