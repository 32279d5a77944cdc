"""Downloads, from servers of this machine that fail in one way each."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ivr.data.sources.d4rl import location as d4rl_files
from ivr.data.sources.d4rl.location import locate_d4rl
from ivr.data.sources.d4rl.published import PUBLISHED, Published
from ivr.data.sources.downloads import fetch, request
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl

ID = "gym_mujoco_v2/hopper_medium-v2.hdf5"
NAME = "hopper_medium-v2.hdf5"


class _Server(ThreadingHTTPServer):
    """Serves `content` at any path that ends in `serves`; `cut` bytes into an answer it hangs up.

    `head` is the status of any answer to HEAD. `drips` seconds pass after each byte of a body,
    `hangs` says before which part of an answer it falls silent, `offset` is added to where a part
    of the file begins, and the body goes on for `more` bytes after the content's end.
    """

    content = b""
    serves = f"/{ID}"
    version = "one"
    cut: int | None = None
    resumes = True
    length: str | None = ""
    drips = 0.0
    hangs: str | None = None
    head: int | None = None
    offset = 0
    more = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.pause = threading.Event()
        self.pause.set()
        self.over = threading.Event()
        self.sent = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/sets"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _head(self, start: int, partial: bool) -> None:
        size = len(self.server.content)
        if self.server.hangs == self.command:
            self.server.over.wait(20)
        self.send_response(206 if partial else 200)
        if self.server.length == "":
            if not self.server.more or self.command == "HEAD":
                self.send_header("Content-Length", str(size - start))
        elif self.server.length is not None:
            self.send_header("Content-Length", self.server.length)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("ETag", self.server.version)
        self.end_headers()

    def do_HEAD(self) -> None:
        if self.server.head is not None or not self.path.endswith(self.server.serves):
            self.send_error(self.server.head or 404)
            return
        self._head(0, False)

    def do_GET(self) -> None:
        ranged = self.headers["Range"]
        self.server.asked.append((self.path, ranged))
        partial = ranged is not None and self.server.resumes
        start = int(re.findall(r"\d+", ranged)[0]) + self.server.offset if partial else 0
        self._head(start, partial)
        self.server.pause.wait(20)
        body = self.server.content[start:][: self.server.cut]
        try:
            if self.server.drips:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if self.server.over.wait(self.server.drips):
                        return
            self.wfile.write(body)
            for _ in range(self.server.more // 1000):
                self.wfile.write(bytes(1000))
                self.server.sent += 1000
        except ConnectionError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[_Server]:
    """In the place of D4RL's; no mirror answers, and nothing is on record of the file."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with _serving() as server:
        path = write_d4rl(tmp_path / "original.hdf5", encoded_columns([Made(900, "timeout")]))
        server.content = path.read_bytes()
        monkeypatch.setitem(PUBLISHED, "hopper-medium", Published(ID))
        monkeypatch.setattr(d4rl_files, "SERVER", server.address)
        monkeypatch.setattr(d4rl_files, "MIRROR", "http://127.0.0.1:1")
        monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
        yield server


@pytest.fixture
def mirror(server, monkeypatch) -> Iterator[_Server]:
    with _serving() as mirror:
        mirror.content, mirror.serves = server.content, f"/{NAME}"
        monkeypatch.setattr(d4rl_files, "MIRROR", mirror.address)
        yield mirror


def _on_record(monkeypatch, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(PUBLISHED, "hopper-medium", Published(ID, len(content), digest))


def _other(content: bytes) -> bytes:
    """Another file that begins like one of HDF5's."""
    return content[:8] + content[:7:-1]


def _root_holds(tmp_path: Path) -> list[str]:
    """Files of the folder but for the lock, which stays: others may wait for it."""
    names = {path.name for path in (tmp_path / "d4rl").iterdir()}
    return sorted(names - {f".{NAME}.lock"})


def test_a_download_is_whole_and_on_record(tmp_path, server):
    data = load_dataset(
        name="x", source="d4rl_hdf5", id=ID, view="flat", cache=tmp_path / "c", progress=False
    )
    assert data.num_transitions == 900 and data.info.source == f"d4rl_hdf5 {NAME}"
    assert _root_holds(tmp_path) == [NAME, f"{NAME}.json"]
    assert (tmp_path / "d4rl" / NAME).read_bytes() == server.content
    assert json.loads((tmp_path / "d4rl" / f"{NAME}.json").read_text()) == {
        "url": f"http://127.0.0.1:{server.server_port}/sets/{ID}",
        "bytes": len(server.content),
        "sha256": hashlib.sha256(server.content).hexdigest(),
    }
    assert locate_d4rl(ID, None, progress=False) == [tmp_path / "d4rl" / NAME]
    assert len(server.asked) == 1


def test_a_broken_download_goes_on_where_it_stopped(tmp_path, server):
    server.cut = 10_000
    says = rf"Cannot download {NAME}\. Tried:\n(.*\n)*.*{ID}: 10,000 of .* bytes came"
    with pytest.raises(UserError, match=says):
        locate_d4rl(ID, None, progress=False)
    assert NAME not in _root_holds(tmp_path)
    server.cut = None
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content
    assert [ranged for _, ranged in server.asked] == [None, "bytes=10000-"]
    assert _root_holds(tmp_path) == [NAME, f"{NAME}.json"]


def test_a_server_that_cannot_go_on_sends_everything_again(tmp_path, server):
    server.resumes, server.cut = False, 10_000
    with pytest.raises(UserError):
        locate_d4rl(ID, None, progress=False)
    server.cut = None
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content and len(server.asked) == 2


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(tmp_path, server):
    server.cut = 10_000
    with pytest.raises(UserError):
        locate_d4rl(ID, None, progress=False)
    server.cut, server.version = None, "two"
    server.content = _other(server.content)
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content


def test_two_at_once_fetch_the_file_once(tmp_path, server):
    server.pause.clear()
    found: list[list[Path]] = []
    threads = [
        threading.Thread(target=lambda: found.append(locate_d4rl(ID, None, progress=False)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    server.pause.set()
    for thread in threads:
        thread.join(20)
    assert found == [[tmp_path / "d4rl" / NAME]] * 2
    assert found[0][0].read_bytes() == server.content and len(server.asked) == 1
    assert _root_holds(tmp_path) == [NAME, f"{NAME}.json"]


def test_a_server_that_does_not_have_it_or_does_not_say_how_much(server):
    with pytest.raises(UserError, match=r"/ants\.hdf5: HTTP Error 404(.*\n)*Put ants"):
        locate_d4rl("gym/ants.hdf5", None)
    for length in (None, "abc", "-1", "0", "1e3", "9" * 5000):
        server.length = length
        with pytest.raises(UserError, match="does not report the size"):
            locate_d4rl(ID, None, progress=False)


def test_a_fetched_file_that_lost_bytes_is_told(tmp_path, server):
    (file,) = locate_d4rl(ID, None, progress=False)
    file.write_bytes(server.content[:-7])
    with pytest.raises(UserError, match=rf"{file} has [\d,]+ bytes and had [\d,]+ when it was"):
        locate_d4rl(ID, None, progress=False)


def _load(tmp_path: Path) -> int:
    return load_dataset(
        name="x", source="d4rl_hdf5", id=ID, view="flat", cache=tmp_path / "c", progress=False
    ).num_transitions


def test_a_fetched_file_with_another_byte_is_told_before_it_is_converted(tmp_path, server):
    (file,) = locate_d4rl(ID, None, progress=False)
    changed = bytearray(server.content)
    changed[-1] ^= 1
    file.write_bytes(changed)
    with pytest.raises(UserError, match=rf"{file} has the SHA-256 \w+ and had \w+ when it was"):
        _load(tmp_path)
    assert not any((tmp_path / "c").iterdir())
    file.write_bytes(server.content)
    assert _load(tmp_path) == 900


def test_another_file_at_the_same_address_is_told(tmp_path, server):
    (file,) = locate_d4rl(ID, None, progress=False)
    file.unlink()
    original, server.content = server.content, _other(server.content)
    with pytest.raises(UserError, match=r"now has the SHA-256 .* had .* To take it, delete"):
        locate_d4rl(ID, None, progress=False)
    assert _root_holds(tmp_path) == [f"{NAME}.json"]
    server.content, server.version = original, "one again"
    assert locate_d4rl(ID, None, progress=False) == [file] and file.read_bytes() == original


def test_a_damaged_record_is_told(tmp_path, server):
    locate_d4rl(ID, None, progress=False)
    (tmp_path / "d4rl" / f"{NAME}.json").write_text("{}")
    with pytest.raises(UserError, match=rf"{NAME}\.json is damaged: delete it"):
        locate_d4rl(ID, None, progress=False)


def test_nothing_is_fetched_where_only_the_network_is_asked_for(tmp_path, server):
    assert locate_d4rl(ID, None, download=False) == [tmp_path / "d4rl" / NAME]
    assert server.asked == [] and not (tmp_path / "d4rl").exists()


@pytest.mark.parametrize("dead", [True, False])
def test_the_mirror_serves_what_the_server_does_not(tmp_path, server, mirror, monkeypatch, dead):
    server.serves = "/nothing"
    if dead:
        monkeypatch.setattr(d4rl_files, "SERVER", "http://127.0.0.1:1")
    _on_record(monkeypatch, mirror.content)
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == mirror.content
    assert json.loads((tmp_path / "d4rl" / f"{NAME}.json").read_text())["url"] == (
        f"{mirror.address}/{NAME}"
    )


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_server_that_answers_to_get_alone(server, status):
    server.head = status
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content


def test_the_mirror_goes_on_with_what_the_server_began(server, mirror, monkeypatch):
    server.cut = 10_000
    _on_record(monkeypatch, server.content)
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content
    assert mirror.asked == [(f"/sets/{NAME}", "bytes=10000-")]


@pytest.mark.parametrize("cut", [-1, None])
def test_another_file_at_the_mirror_is_refused(tmp_path, server, mirror, monkeypatch, cut):
    server.serves = "/nothing"
    _on_record(monkeypatch, server.content)
    mirror.content = _other(server.content)[:cut]
    with pytest.raises(UserError) as caught:
        locate_d4rl(ID, None, progress=False)
    message, size = str(caught.value), len(server.content)
    assert f"{tmp_path / 'd4rl'}: it is not there" in message
    assert f"{server.address}/{ID}: HTTP Error 404" in message
    digest = hashlib.sha256(server.content).hexdigest()
    told = f"has {size - 1:,} bytes there, and {size:,} on record" if cut else f"is {digest}"
    assert f"{mirror.address}/{NAME}: " in message and told in message
    assert not (tmp_path / "d4rl").exists() or _root_holds(tmp_path) == []


def test_a_page_in_the_place_of_a_file_of_which_nothing_is_on_record(tmp_path, server):
    server.content = b"<html>We are moving.</html>"
    with pytest.raises(UserError, match="what came is not an HDF5 file"):
        locate_d4rl(ID, None, progress=False)
    assert _root_holds(tmp_path) == []


@pytest.mark.parametrize("how", ["drips", "HEAD", "GET"])
def test_a_slow_server_costs_seconds_and_the_mirror_is_asked(server, mirror, monkeypatch, how):
    monkeypatch.setattr(request, "_ANSWER", 0.3)
    monkeypatch.setattr(fetch, "_WINDOW", 0.3)
    if how == "drips":
        server.drips = 0.01
    else:
        server.hangs = how
    _on_record(monkeypatch, server.content)
    start = time.perf_counter()
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == mirror.content and time.perf_counter() - start < 3
    assert len(mirror.asked) == 1
    with pytest.raises(UserError, match=r"too slow|no answer within|timed out"):
        file.unlink()
        monkeypatch.setattr(d4rl_files, "MIRROR", "http://127.0.0.1:1")
        locate_d4rl(ID, None, progress=False)


def test_a_body_without_an_end_is_cut_where_it_should_have_ended(tmp_path, server):
    server.more = 1 << 30
    with pytest.raises(UserError, match=rf"more than the {len(server.content):,} bytes came"):
        locate_d4rl(ID, None, progress=False)
    assert server.sent < 50 << 20  # what the network holds, not what is written
    (part,) = [name for name in _root_holds(tmp_path) if name.endswith(".part")]
    assert (tmp_path / "d4rl" / part).stat().st_size == 0


@pytest.mark.parametrize("offset", [1, -100])
def test_a_part_of_another_place_is_not_kept(server, offset):
    server.cut = 10_000
    with pytest.raises(UserError):
        locate_d4rl(ID, None, progress=False)
    server.cut, server.offset = None, offset
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content
    assert [ranged for _, ranged in server.asked] == [None, "bytes=10000-", None]
