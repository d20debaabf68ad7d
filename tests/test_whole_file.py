"""A file is written whole or not at all, whatever goes wrong on the way."""

import os
import re
import resource
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from whole_file import FORCE, require_place, whole_file, write_whole

ROOT = Path(__file__).parents[1]


@pytest.fixture
def little_room():
    """No file may have more than 64 kB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def forbidden():
    """A folder that may be read and not written; root, whom that does not stop, is nobody meanwhile."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        yield Path(folder)
        if is_root:
            os.seteuid(0)
        Path(folder).chmod(0o755)


def test_a_file_appears_whole_with_the_permissions_that_any_file_gets(tmp_path):
    path, other = tmp_path / "a.csv", tmp_path / "other"
    other.touch()
    with whole_file(path) as made:
        made.write_bytes(b"half")
        assert not path.exists()
        assert made.parent.parent == tmp_path  # on the same disk
    assert path.read_bytes() == b"half"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
    assert {file.name for file in tmp_path.iterdir()} == {"a.csv", "other"}


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"precious")
    path.chmod(0o640)
    with (
        pytest.raises(FileExistsError, match=r"a\.csv is there already: .* --force"),
        whole_file(path, way_out=FORCE),
    ):
        raise AssertionError("nothing is to be written")
    assert path.read_bytes() == b"precious"
    write_whole(path, "né", replace=True)
    assert path.read_bytes() == "né".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError, SystemExit])
@pytest.mark.parametrize("before", [None, b"precious"], ids=["new", "there"])
def test_what_fails_or_is_stopped_leaves_what_was_there_and_nothing_else(tmp_path, error, before):
    path = tmp_path / "a.csv"
    if before is not None:
        path.write_bytes(before)

    def write_half() -> None:
        with whole_file(path, replace=True) as made:
            made.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before] * (before is not None)


def test_a_stop_at_the_moment_that_the_folder_is_there_leaves_nothing(tmp_path, monkeypatch):
    make = Path.mkdir

    def stopped(*arguments, **options):
        make(*arguments, **options)
        raise KeyboardInterrupt

    def write() -> None:
        with whole_file(tmp_path / "a.csv"):
            raise AssertionError("nothing is to be written")

    monkeypatch.setattr(Path, "mkdir", stopped)
    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("little_room")
def test_a_full_disk_is_told_with_the_name_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.csv"
    write_whole(path, "precious")
    with pytest.raises(OSError, match=r"a\.csv could not be written: File too large; .* make room"):
        write_whole(path, bytes(1 << 17))
    assert [file.read_text("utf-8") for file in tmp_path.iterdir()] == ["precious"]


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "a.csv"

    def write_late() -> None:
        with whole_file(path) as made:
            made.write_bytes(b"mine")
            path.write_bytes(b"somebody else's")

    with pytest.raises(FileExistsError, match="is there already"):
        write_late()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"somebody else's"]


def test_a_link_stays_one_and_leads_to_the_new_file(tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_bytes(b"old")
    link.symlink_to("real.csv")
    write_whole(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_a_name_as_long_as_a_disk_allows_is_no_problem(tmp_path):
    path = tmp_path / ("ü" * 125 + ".csv")
    write_whole(path, b"x")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_may_not_be_written_is_told_with_the_name(forbidden):
    with pytest.raises(PermissionError, match=r"a\.csv cannot be written: Permission denied\.$"):
        write_whole(forbidden / "a.csv", b"x")
    assert list(forbidden.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("folder", IsADirectoryError, "is a folder: name a file in it"),
        ("none/a.csv", FileNotFoundError, "No folder .*none for a.csv: make it first"),
        ("pipe", OSError, "is no ordinary file"),
        ("file/a.csv", NotADirectoryError, "file is no folder, but a file or in one"),
    ],
)
def test_a_place_where_no_file_can_be_is_told_beforehand(tmp_path, name, error, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(error, match=said):
        require_place(tmp_path / name, replace=True)


# Who writes files otherwise, and why that is no harm.
OTHERWISE = {
    "whole_file.py": "it is what the others go through",
    "dashapp/report/document.py": "into a folder whose files are moved when all are there",
    "dashapp/report/figures.py": "into the same folder",
    "db/sqlite_file.py": "a database, which SQLite writes",
    "ingest/record/batches.py": "it renames a batch",
    "model/data/pictures/reading.py": "to nowhere",
    "model/terminal.py": "standard error",
    "db/commands/output.py": "what whole_file gives",
    "db/migrate.py": "among temporary files of the system",
    "model/data/archive.py": "into a folder that becomes the cache when all is verified",
    "model/data/tar_members.py": "into a folder for scratch",
    "model/data/formats/content.py": "into a folder for scratch",
    "model/data/formats/gather.py": "into a folder for scratch",
    "model/data/arrays.py": "into a hidden folder that becomes the data set when all is there",
    "model/data/added.py": "into the same folder; it removes a data set by renaming it",
    "model/data/add.py": "it makes that folder the data set",
    "model/data/cifar10_sample.py": "the bundled sample, by maintainers",
    "model/data/fetch.py": "it makes that folder the cache",
    "model/data/sources.py": "into a folder for scratch",
    "model/network/keras/file.py": "into a temporary folder of the process that reads for it",
    "model/network/train_command.py": "a log, to which every epoch adds a line",
}
WRITES = re.compile(
    r"""\.write_(text|bytes)\(|open\([^)\n]*["'][rb]*[wax]|\.rename\(|os\.(replace|rename|link)\(|\.savez\w*\(path"""
    r"""|shutil\.(copy|move)|TemporaryDirectory|mkdtemp|NamedTemporaryFile|mkstemp"""
)


def test_files_are_written_whole_by_everybody():
    sources = [ROOT / "xpixels.py", ROOT / "whole_file.py"]
    for package in ("db", "dashapp", "ingest", "model"):
        sources += (ROOT / package).rglob("*.py")
    writing = [path for path in sources if WRITES.search(path.read_text("utf-8"))]
    assert {str(path.relative_to(ROOT)) for path in writing} == set(OTHERWISE)
