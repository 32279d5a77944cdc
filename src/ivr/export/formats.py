"""The formats of an exported policy: how each is written, read back and run."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ivr.errors import UserError
from ivr.export.facts import INPUT, KEY, OUTPUT, from_text
from ivr.export.policy import RawPolicy

_FACTS_FILE = f"{KEY}.json"
"""Inside of a file of torch.export."""


@dataclass(frozen=True)
class Format:
    """One way to write a policy."""

    write: Callable[[RawPolicy, int, str], bytes]
    """From a policy, O and the facts as text to the contents of the file."""
    run: Callable[[bytes, Tensor], Tensor]
    """What a file makes of observations (N, O), without ivr."""


def read_facts(path: Path) -> dict[str, Any]:
    """Read what an exported file says of its policy; nothing in it runs.

    Raises:
        UserError: it is no such file, or damaged.
    """
    try:
        if path.suffix == ".onnx":
            import onnx

            model = onnx.load(path, load_external_data=False)
            written = {entry.key: entry.value for entry in model.metadata_props}.get(KEY, "")
        else:
            import zipfile

            with zipfile.ZipFile(path) as archive:
                (name,) = (n for n in archive.namelist() if n.endswith(f"/{_FACTS_FILE}"))
                written = archive.read(name).decode("utf-8")
    except ImportError:
        raise _lacks() from None
    except Exception as error:  # a damaged file fails in a dozen ways
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {error})") from error
    return from_text(written, str(path))


def check_installed(name: str) -> None:
    """Check that what a format needs is there, before any work is done.

    Raises:
        UserError: it is not.
    """
    if name == "onnx":
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError:
            raise _lacks() from None


def _lacks() -> UserError:
    return UserError(
        "format=onnx needs the packages onnx, onnxscript and onnxruntime: "
        "pip install onnx onnxscript onnxruntime, in a checkout .venv/bin/pip install -e "
        "'.[onnx]'. format=torch needs none of them"
    )


def _traced(policy: RawPolicy, width: int) -> torch.export.ExportedProgram:
    """A graph of the policy, for any number of observations."""
    shapes = {INPUT: {0: torch.export.Dim("N", min=1)}}
    example = torch.zeros(3, width)
    return torch.export.export(policy, (example,), dynamic_shapes=shapes, strict=False)


def _write_onnx(policy: RawPolicy, width: int, written: str) -> bytes:
    with _quiet():
        program = torch.onnx.export(
            policy,
            (torch.zeros(3, width),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: {0: torch.export.Dim("N", min=1)}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.producer_name = "ivr"
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, written
    content: bytes = model.SerializeToString()
    return content


def _run_onnx(content: bytes, observations: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (actions,) = session.run([OUTPUT], {INPUT: observations.numpy().astype(np.float32)})
    return torch.from_numpy(actions)


def _write_torch(policy: RawPolicy, width: int, written: str) -> bytes:
    file = io.BytesIO()
    with _quiet():
        program = _traced(policy, width)
        torch.export.save(program, file, extra_files={_FACTS_FILE: written})
    return file.getvalue()


def _run_torch(content: bytes, observations: Tensor) -> Tensor:
    actions: Tensor = torch.export.load(io.BytesIO(content)).module()(observations)
    return actions


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of torchvision, training modes and its own internals."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


FORMATS = {
    "onnx": Format(_write_onnx, _run_onnx),
    "torch": Format(_write_torch, _run_torch),
}
