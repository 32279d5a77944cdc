"""Notebooks run from anywhere, and what they hold on disk is what they say today.

They are kept with their pictures, for readers on the web. To write them anew after a change:
`python tests/test_notebooks.py`.
"""

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = {path.name: path for path in sorted(FOLDER.glob("*.ipynb"))}
RENEW = "to write the outputs anew: python tests/test_notebooks.py"
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MOST_BYTES = 400_000  # of pictures in one notebook

Notebook = Any  # nbformat has no types


def read(path: Path) -> Notebook:
    return nbformat.read(path, as_version=4)


def execute(path: Path, folder: Path) -> Notebook:
    """The notebook with the outputs of a run in a folder; raises where a cell does."""
    notebook = read(path)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=300,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})


def code_cells(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: Notebook) -> list[Notebook]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def pictures(notebook: Notebook) -> list[bytes]:
    shown = (output.get("data", {}).get("image/png") for output in outputs(notebook))
    return [base64.b64decode(picture) for picture in shown if picture]


def said(cell: Notebook) -> str:
    """What a cell printed. Warnings go to stderr, and are not a part of it."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def fingerprint(notebook: Notebook) -> list[tuple[str, str, int]]:
    """(source, what it printed, number of pictures) of every code cell."""
    return [
        (cell.source, said(cell), sum("image/png" in o.get("data", {}) for o in cell.outputs))
        for cell in code_cells(notebook)
    ]


def small(picture: bytes) -> bytes:
    """A PNG of 256 colours, which is a third of the size and looks the same."""
    target = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    image.save(target, "PNG", optimize=True)
    return target.getvalue()


def tidy(notebook: Notebook) -> Notebook:
    """Without what differs from machine to machine, and with small pictures."""
    notebook.metadata = KERNEL
    for cell in notebook.cells:
        cell.metadata = {}
    for cell in code_cells(notebook):
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                output.metadata = {}
                picture = small(base64.b64decode(output.data["image/png"]))
                output.data["image/png"] = base64.b64encode(picture).decode()
    return notebook


# One trains for half a minute, the other simulates for a quarter of one.
SLOW = {"02_offline_to_online.ipynb", "03_your_own_log.ipynb"}
PATIENT = (pytest.mark.slow, pytest.mark.timeout(600))
EXECUTED = [pytest.param(n, marks=PATIENT) if n in SLOW else n for n in NOTEBOOKS]


@pytest.fixture(scope="module", params=NOTEBOOKS)
def path(request: pytest.FixtureRequest) -> Path:
    return NOTEBOOKS[request.param]


def test_there_are_notebooks() -> None:
    assert "01_theory.ipynb" in NOTEBOOKS


@pytest.mark.parametrize("path", EXECUTED, indirect=True)
def test_it_runs_from_anywhere_and_says_what_is_kept(path: Path, tmp_path: Path) -> None:
    fresh = execute(path, tmp_path)
    assert pictures(fresh), "no picture was drawn"
    assert fingerprint(fresh) == fingerprint(read(path)), RENEW
    assert not list(tmp_path.iterdir()), "a notebook leaves no files behind"


def test_what_is_kept_is_small_and_the_same_on_every_machine(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata == KERNEL, RENEW
    assert [cell.metadata for cell in notebook.cells if cell.metadata] == [], RENEW
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), RENEW
    assert {o.output_type for o in outputs(notebook)} <= {"stream", "display_data"}, RENEW
    assert {o.name for o in outputs(notebook) if o.output_type == "stream"} <= {"stdout"}, RENEW
    assert sum(map(len, pictures(notebook))) <= MOST_BYTES, RENEW
    words = "\n".join(cell.source for cell in notebook.cells)
    words += "\n".join(said(cell) for cell in code_cells(notebook))
    assert re.findall(r"(?:/(?:home|root|tmp|Users|work)/|[A-Z]:\\)\S*", words) == []


def renew(path: Path) -> None:
    """Run a notebook and write its outputs, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = tidy(execute(path, Path(folder)))
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    os.replace(part, path)


if __name__ == "__main__":
    for name in sys.argv[1:] or NOTEBOOKS:
        print(name)
        renew(NOTEBOOKS[name])
