"""Write a file whole or not at all: it is written in a folder beside its place, then moved in one step.

    with whole_file(Path("cases.csv")) as path:
        path.write_bytes(b"...")

A write that fails or is stopped leaves what was there before, and nothing else. A process that is killed
outright leaves a folder beside it, whose name begins with a dot and the file's name.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, a quota, a limit on the size of files
ANOTHER = "choose another name"
FORCE = "name another file, or give --force to replace it"  # for commands with this option


@contextmanager
def whole_file(path: Path, *, replace: bool = False, way_out: str = ANOTHER) -> Iterator[Path]:
    """Yield a path to write to, in a folder of its own; at the end that file is moved to `path`.

    Args:
        path: where the file belongs; a symbolic link is followed.
        replace: replace an existing file, with its permissions.
        way_out: what to do about an existing file, for the message.

    Raises:
        OSError: the file cannot be written there (see `require_place`), or the disk is full.
    """
    require_place(path, replace=replace, way_out=way_out)
    target = path.resolve()
    try:
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(hidden_folder(target.parent, target.name))
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise
                raise type(error)(f"{path} cannot be written: {error.strerror}.") from error
            draft = folder / target.name
            yield draft
            if not _publish(draft, target, replace):
                raise FileExistsError(_taken_message(path, way_out))
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise OSError(
            f"{path} could not be written: {error.strerror}; nothing was changed: make room, or name a file "
            "elsewhere."
        ) from error


def write_whole(path: Path, content: str | bytes, *, replace: bool = True) -> None:
    """Write a file in one step; text as UTF-8. Raises what `whole_file` raises."""
    with whole_file(path, replace=replace) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


def require_place(path: Path, *, replace: bool = False, way_out: str = ANOTHER) -> None:
    """Check that a file can be written at the path.

    Raises:
        FileExistsError: a file is there, and `replace` is false.
        IsADirectoryError: a folder is there; OSError: something else that is not a file, or a circular link.
        FileNotFoundError: its folder does not exist; NotADirectoryError: what should be its folder is a file.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it.")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no ordinary file: name another one.")
    if path.exists() and not replace:
        raise FileExistsError(_taken_message(path, way_out))
    try:
        folder = path.resolve().parent if path.is_symlink() else path.parent
    except (OSError, RuntimeError):
        raise OSError(f"{path} is a link that leads in a circle: name another file.") from None
    if not folder.is_dir():
        if any(parent.is_file() for parent in folder.parents) or folder.is_file():
            raise NotADirectoryError(f"{folder} is no folder, but a file or in one: name another place.")
        raise FileNotFoundError(f"No folder {folder} for {path.name}: make it first.")


@contextmanager
def hidden_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a new folder `.NAME-...` in `parent`, for the time of a block, with all that is written into it.

    Its name is chosen before it is made, so it is removed at whatever moment the program is stopped.
    Raises OSError.
    """
    folder = parent / f".{name[:20]}-{token_hex(8)}"
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(draft: Path, target: Path, replace: bool) -> bool:
    """Give the file its name; False if that would replace a file that must stay."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())  # a full disk may raise only now
    if replace:
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
        return True
    try:
        os.link(draft, target)  # unlike a rename, a link never replaces a file
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if target.exists():
            return False
        draft.rename(target)
    return True


def _taken_message(path: Path, way_out: str) -> str:
    return f"{path} is there already: {way_out}."
