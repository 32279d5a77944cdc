"""Damages data of every format, the same for the same seed, and says what became of them."""

import gzip
import json
import multiprocessing
import resource
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from numpy.random import Generator

from ivr.agreement.views import check_view
from ivr.data.cache.rewards import RewardTransform
from ivr.data.load import load_dataset
from ivr.data.opening import open_source
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from ivr.evaluation.task.recorded import read_recorded
from ivr.inspection.card import make_card
from ivr.inspection.findings import Findings, read_all
from ivr.inspection.tally import Tally
from ivr.inspection.text import card_text
from tests.data.sources.arrays.arrays_making import encoded_arrays, write_arrays
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.data.sources.minari.minari_making import encoded_episodes, maze_episode, write_minari

SECONDS, MEMORY = 20, 1 << 30
"""What reading a damaged file of a few kilobytes may take at most."""

_MADE = [Made(9, "timeout"), Made(7, "terminal"), Made(5, "both")]

Arrays = dict[str, Any]


class Format(NamedTuple):
    """A way to store transitions."""

    source: str
    arrays: Callable[[], Arrays]
    """What is stored, by place."""
    write: Callable[[Path, Arrays], Path]
    """Stores arrays below a folder; returns what dataset.path names."""
    checksummed: bool = False
    """Whether changed bytes cannot go unnoticed."""
    view: str | tuple[str, ...] = "flat"
    options: Mapping[str, Any] = MappingProxyType({})
    """Of the dataset."""


def _compressed(path: Path, columns: Arrays) -> Path:
    return write_d4rl(path / "a.hdf5", columns, compression="gzip", shuffle=True, fletcher32=True)


def _minari(path: Path, arrays: Arrays, goals: bool = False, **facts: Any) -> Path:
    episodes: list[Arrays] = [{} for _ in range(3)]
    for place, values in arrays.items():
        number, key = place.split("/", 1)
        episodes[int(number)][key] = values
    steps = [len(one["actions"]) if np.ndim(one.get("actions")) else 0 for one in episodes]
    whole = maze_episode([[0, 0]]) if goals else encoded_episodes([3])[0]
    metadata = {"total_steps": sum(steps), "env_spec": _ENV_SPEC, **facts}
    written = write_minari(path, [whole], **metadata)
    if "data_format" not in facts:
        with h5py.File(written / "data" / "main_data.hdf5", "w") as file:
            for number, episode in enumerate(episodes):
                for key, values in episode.items():
                    file[f"episode_{number}/{key}"] = values
    return _announced(written, 3)


_ENV_SPEC = json.dumps({"id": "X-v0", "kwargs": {"maze_map": [[1, 1, 1], [1, 0, 1], [1, 1, 1]]}})


def _announced(folder: Path, episodes: int) -> Path:
    path = folder / "data" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"total_episodes": episodes}))
    return folder


def _arrow(path: Path, arrays: Arrays, kind: str = "arrow") -> Path:
    folder = _minari(path, arrays, data_format=kind)
    (folder / "data" / "main_data.hdf5").unlink()
    for number in range(3):
        own = {key.split("/", 1)[1]: v for key, v in arrays.items() if key[0] == str(number)}
        columns = {}
        for key, values in own.items():
            if key != "observations" and len(values):
                values = np.concatenate([values, values[-1:]])  # as Minari pads
            flat = pa.array(values.reshape(-1))
            width = values.shape[1] if values.ndim > 1 else None
            columns[key] = flat if width is None else pa.FixedSizeListArray.from_arrays(flat, width)
        target = folder / "data" / str(number)
        pa.dataset.write_dataset(pa.table(columns), target, format=kind)
    return folder


def _episodes() -> Arrays:
    return {
        f"{number}/{key}": values
        for number, episode in enumerate(encoded_episodes([9, 7, 5]))
        for key, values in episode.items()
    }


def _goal_episodes() -> Arrays:
    stored = {}
    for number in range(3):
        episode = maze_episode([[number, t] for t in range(9)])
        for name, values in episode.pop("observations").items():
            stored[f"{number}/observations/{name}"] = values
        stored |= {f"{number}/{key}": values for key, values in episode.items()}
    return stored


def _gzip(path: Path, arrays: Arrays) -> Path:
    plain = write_arrays(path / "a", arrays, "csv")
    packed = plain.with_name("a.csv.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    return packed


def _german(path: Path, arrays: Arrays) -> Path:
    """Write a table as a spreadsheet does in German: decimal commas, names of its own."""
    rows = len(np.asarray(arrays["rewards"]))
    arrays = arrays | {"next_observations": None, "Zeit": np.arange(rows)}
    file = write_arrays(path / "a", arrays, "csv")
    text = file.read_text().replace(".", "§").replace(",", ";").replace("§", ",")
    file.write_bytes(("sep=;\r\n" + text.replace("rewards", "Erlös [€]")).encode("cp1252"))
    return file


_MAPPED = {
    "columns": {
        "observations": "obs*", "actions": ["action_0", "action_1"], "reward": "Erlös [€]",
        "episode": "episode", "time": "Zeit",
    },
    "missing": "previous",
    "actions": "clip",
}  # fmt: skip


def _table(kind: str) -> Callable[[Path, Arrays], Path]:
    return lambda path, arrays: write_arrays(path / "a", arrays, kind)


FORMATS = {
    "npz": Format("arrays", lambda: encoded_arrays(_MADE), _table("npz"), True),
    "packed npz": Format("arrays", lambda: encoded_arrays(_MADE), _table("compressed npz"), True),
    "csv": Format("arrays", lambda: encoded_arrays(_MADE), _table("csv")),
    "csv.gz": Format("arrays", lambda: encoded_arrays(_MADE), _gzip, True),
    "mapped csv": Format("arrays", lambda: encoded_arrays(_MADE), _german, options=_MAPPED),
    "parquet": Format("arrays", lambda: encoded_arrays(_MADE), _table("parquet of numbers")),
    "lists": Format("arrays", lambda: encoded_arrays(_MADE), _table("parquet of lists")),
    "d4rl": Format(
        "d4rl_hdf5", lambda: encoded_columns(_MADE), lambda path, c: write_d4rl(path / "a.hdf5", c)
    ),
    "packed d4rl": Format("d4rl_hdf5", lambda: encoded_columns(_MADE), _compressed),
    "minari": Format("minari", _episodes, _minari),
    "minari goals": Format(
        "minari",
        _goal_episodes,
        lambda path, arrays: _minari(path, arrays, goals=True),
        view=("achieved_goal", "observation"),
    ),
    "minari arrow": Format("minari", _episodes, _arrow),
    "minari parquet": Format("minari", _episodes, lambda path, a: _arrow(path, a, "parquet")),
    "cache": Format("minari", _episodes, _minari, True),
}


def damage(name: str, folder: Path, rng: Generator) -> tuple[Path, str]:
    """Write data of a format into a new folder and damage them; returns dataset.path and how."""
    form = FORMATS[name]
    if name != "cache" and rng.random() < 0.3:
        return _misshapen(form, folder, rng)
    path = form.write(folder, form.arrays())
    if name == "cache":
        _load(form, path, folder / "cache")
        (built,) = (folder / "cache").glob("x-*")
        files = sorted(built.iterdir())
    elif path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        if rng.random() < 0.5:
            return path, _change_metadata(path / "data" / "metadata.json", rng)
    else:
        files = [path]
    file = files[rng.integers(len(files))]
    content, how = _changed(file.read_bytes(), rng)
    file.write_bytes(content)
    return path, f"{file.name}: {how}"


def _misshapen(form: Format, folder: Path, rng: Generator) -> tuple[Path, str]:
    """Store arrays of another shape, type or name, as far as the format can."""
    while True:
        arrays = form.arrays()
        key = list(arrays)[rng.integers(len(arrays))]
        how = list(_RESHAPED)[rng.integers(len(_RESHAPED))]
        try:
            arrays[key] = _RESHAPED[how](np.asarray(arrays[key]))
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            return form.write(folder, arrays), f"{key} {how}"
        except (TypeError, ValueError, IndexError, KeyError, AttributeError, pa.ArrowException):
            continue  # the format has none of these
        except RuntimeError:
            continue


_RESHAPED: dict[str, Callable[[np.ndarray], Any]] = {
    "cut": lambda x: x[:-2],
    "empty": lambda x: x[:0],
    "longer": lambda x: np.concatenate([x, x]),
    "transposed": lambda x: x.T,
    "deeper": lambda x: x[..., None],
    "wider": lambda x: np.stack([x, x], -1).reshape(len(x), -1),
    "one number": lambda x: x.reshape(-1)[0],
    "of no width": lambda x: x.reshape(len(x), -1)[:, :0],
    "complex": lambda x: x.astype(complex),
    "text": lambda x: x.astype(str),
    "bytes": lambda x: x.astype("S8"),
    "half": lambda x: x.astype(np.float16),
    "big-endian": lambda x: x.astype(">f8"),
    "bool": lambda x: x.astype(bool),
    "unsigned": lambda x: x.astype(np.uint8),
    "NaN": lambda x: np.full(x.shape, np.nan),
    "infinite": lambda x: np.full(x.shape, -np.inf),
    "huge": lambda x: np.full(x.shape, 1e300),
    "records": lambda x: np.zeros(x.shape, [("a", "f4"), ("b", "i4")]),
    "dates": lambda x: x.astype("datetime64[s]"),
    "missing": lambda x: None,
}


def _changed(content: bytes, rng: Generator) -> tuple[bytes, str]:
    """Change bytes."""
    held = bytearray(content)
    size = len(held)
    how = _BYTES[rng.integers(len(_BYTES))]
    at = int(rng.integers(size))
    length = int(rng.integers(1, max(2, size // 8)))
    if how == "truncate":
        del held[at:]
    elif how == "flip":
        for place in rng.integers(size, size=int(rng.integers(1, 9))):
            held[place] ^= 1 << int(rng.integers(8))
    elif how == "zero":
        held[at : at + length] = bytes(len(held[at : at + length]))
    elif how == "swap":
        other = int(rng.integers(size))
        length = min(length, size - at, size - other)
        a, b = held[at : at + length], held[other : other + length]
        held[at : at + length], held[other : other + length] = b, a
    elif how == "claim":  # a length that is huge, signed or not
        width = int(rng.choice([4, 8]))
        large = int(rng.choice([2**31 - 1, 2**32 - 1, 2**28, 2**16]))
        held[at : at + width] = large.to_bytes(width, "little")[: max(0, size - at)]
    elif how == "repeat":
        held[at:at] = held[at : at + length]
    else:
        held[at : at + length] = rng.bytes(len(held[at : at + length]))
    return bytes(held), f"{how} at {at}"


_BYTES = ("truncate", "flip", "flip", "zero", "swap", "claim", "claim", "repeat", "random")

_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 10**15, 1.5, 1e308, float("inf"), float("nan"), "", "x", "Box",
    "Discrete", "/etc/passwd", [], [0], [1, 2, 3], [[1]], {}, {"a": 1},
)  # fmt: skip


def _change_metadata(path: Path, rng: Generator) -> str:
    """Give one value of metadata.json, or of the JSON inside of it, another one."""
    facts = json.loads(path.read_text())
    inside = {key for key, value in facts.items() if isinstance(value, str) and value[:1] == "{"}
    for key in inside:
        facts[key] = json.loads(facts[key])
    places = list(_places(facts))
    holder, key = places[rng.integers(len(places))]
    odd = _ODD[rng.integers(len(_ODD))]
    how = f"{key}={odd!r}"
    if rng.random() < 0.15:
        del holder[key]
        how = f"{key} removed"
    else:
        holder[key] = odd
    for key in inside & facts.keys():
        facts[key] = json.dumps(facts[key])
    path.write_text(json.dumps(facts))
    return how


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    for key in keys:
        yield value, key
        yield from _places(value[key])


def npz_that_claims(path: Path, shape: str) -> Path:
    """An archive in which the header of one array claims a shape; its checksum is right."""
    arrays = encoded_arrays(_MADE)
    whole = BytesIO()
    np.save(whole, arrays["observations"])
    head = whole.getvalue().replace(b"(21, 2)", shape.encode(), 1)
    size = 10 + int.from_bytes(whole.getvalue()[8:10], "little")
    # The header keeps its length: spaces fill it up.
    longer = len(head) - len(whole.getvalue())
    head = head[: size - 1].rstrip(b" ")[: size - 1].ljust(size - 1) + head[size - 1 + longer :]
    written = write_arrays(path / "a", arrays | {"observations": None})
    with zipfile.ZipFile(written, "a") as archive:
        archive.writestr("observations.npy", head)
    return written


def _spec(form: Format, path: Path) -> DataSpec:
    own: dict[str, Any] = dict(form.options)
    if form.source == "arrays":
        own |= {"action_low": -1, "action_high": 50}
    view = form.view if isinstance(form.view, str) else list(form.view)
    return DataSpec(name="x", source=form.source, path=path, view=view, **own)


def _inspect(form: Format, path: Path) -> None:
    """Make the data card, whatever is wrong, and take some steps."""
    spec = _spec(form, path)
    try:
        source = open_source(spec, progress=False)
        check_view(spec.view, set(source.boxes), source.is_dict)
        tally, findings = Tally(source, spec.view, None), Findings(3)
    except UserError:
        return
    with suppress(UserError):
        source.sample([0.0, 0.4, 0.99], 3)
    read_all(source, tally, findings, progress=False)
    card = make_card(source, tally, RewardTransform("none", 1.0, 0.0), findings)
    assert card_text({"dataset": "x", "certificate": None} | card)


def _load(form: Format, path: Path, cache: Path) -> str:
    """The fingerprint of data that are well formed, "" where they are refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = load_dataset(_spec(form, path), cache, progress=False)
    except UserError:
        return ""
    with suppress(UserError):
        read_recorded(data.info.env_spec or "")
    batch = data.gather(torch.arange(data.num_transitions))
    assert data.num_transitions > 0
    for part in (batch.observations, batch.actions, batch.rewards, batch.next_observations):
        assert part.isfinite().all(), "numbers that are not finite came through"
    assert bool((data.truncated | data.terminated)[data.ends].all())
    return data.info.fingerprint


class Outcome(NamedTuple):
    """What became of one damage."""

    name: str
    seed: int
    how: str
    wrong: str
    """"" where nothing is."""


def attempt(name: str, seed: int) -> Outcome:
    """Damage data of a format and load them."""
    form = FORMATS[name]
    rng = np.random.default_rng([seed, *name.encode()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    with tempfile.TemporaryDirectory() as made:
        how = "nothing"
        try:
            path, how = damage(name, Path(made) / "data", rng)
            found = _load(form, path, Path(made) / "data" / "cache")
            if name != "cache":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    _inspect(form, path)
            right = whole(name)
            wrong = ""
            if form.checksummed and "." in how and found not in ("", right):
                wrong = "other numbers, though a checksum is wrong"
        except BaseException as error:
            wrong = f"{type(error).__name__}: {error}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before
    if grown > MEMORY:
        wrong += f" {grown >> 20} MiB"
    return Outcome(name, seed, how, wrong)


_WHOLE: dict[str, str] = {}


def whole(name: str) -> str:
    """The fingerprint of the data before they are damaged."""
    if name not in _WHOLE:
        form = FORMATS[name]
        with tempfile.TemporaryDirectory() as made:
            path = form.write(Path(made) / "data", form.arrays())
            _WHOLE[name] = _load(form, path, Path(made) / "cache")
        assert _WHOLE[name]
    return _WHOLE[name]


def attempts(name: str, seeds: range) -> Iterator[Outcome]:
    """Make all attempts in another process, which may hang or crash without harm to this one."""
    context = multiprocessing.get_context("forkserver")
    seeds_left = list(seeds)
    while seeds_left:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_send, args=(theirs, name, seeds_left))
        process.start()
        theirs.close()
        try:
            while seeds_left:
                patience = SECONDS + 40 * (seeds_left[0] == seeds[0])  # the first imports torch
                if not ours.poll(patience):
                    process.kill()
                    yield Outcome(name, seeds_left.pop(0), "", f"no end after {patience} s")
                    break
                yield ours.recv()
                seeds_left.pop(0)
        except EOFError:
            process.join()
            yield Outcome(name, seeds_left.pop(0), "", f"crashed with {process.exitcode}")
        finally:
            process.join(5)


def _send(pipe: Connection, name: str, seeds: list[int]) -> None:
    for seed in seeds:
        pipe.send(attempt(name, seed))
