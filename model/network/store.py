"""The user's networks by name, each a safetensors file in the cache folder, and the bundled one.

Their folder is `networks` in the cache folder (`model.data.cache`), the file of a network NAME.safetensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from model.data.cache import cache_root
from model.network.architecture import NAME, Pixels
from model.network.cifar10_cnn import CIFAR10_CNN, WEIGHTS
from whole_file import write_whole

if TYPE_CHECKING:
    from model.network.checkpoint import Checkpoint

FOLDER = "networks"
SUFFIX = ".safetensors"
BUNDLED = CIFAR10_CNN.name


class Added(NamedTuple):
    """A network in the store."""

    path: Path
    loaded: Checkpoint
    new: bool  # False: the same was there already


def names(cache_dir: str | Path | None = None) -> tuple[str, ...]:
    """The names of all networks: the bundled one, then those that were added, sorted."""
    stored = sorted(path.stem for path in _folder(cache_dir).glob(f"*{SUFFIX}") if NAME.fullmatch(path.stem))
    return (BUNDLED, *(name for name in stored if name != BUNDLED))


def find(name: str, cache_dir: str | Path | None = None) -> Path:
    """The file of a network. Raises LookupError for an unknown name, with those that there are."""
    if name not in names(cache_dir):
        raise LookupError(
            f"unknown network {name!r}: there are {', '.join(names(cache_dir))}; add your own with `xpixels "
            "network add FILE --name NAME`"
        )
    return WEIGHTS if name == BUNDLED else _path(name, cache_dir)


def read_description(name: str, cache_dir: str | Path | None = None) -> dict[str, Any]:
    """The description of a network, without its arrays.

    Raises LookupError for an unknown name, ValueError and OSError for a damaged file.
    """
    import json

    from model.network.weights_safetensors import read_description as read

    path = find(name, cache_dir)
    if name == BUNDLED:
        bundled: dict[str, Any] = json.loads(path.with_suffix(".json").read_text("utf-8"))
        return bundled
    return read(path)


def add(
    path: Path,
    name: str,
    *,
    pixels: Pixels | None = None,
    class_names: Sequence[str] = (),
    cache_dir: str | Path | None = None,
) -> Added:
    """Read a network from a file of any known format and store it by a name.

    pixels: as in `model.network.checkpoint.load`. class_names: of the classes, in the network's order.
    Raises what `load` raises, ValueError for an unfit name, FileExistsError where another network has it.
    """
    from model.network import checkpoint

    require_name(name)
    return put(checkpoint.load(path, pixels=pixels), name, class_names=class_names, cache_dir=cache_dir)


def put(
    loaded: Checkpoint,
    name: str,
    *,
    class_names: Sequence[str] = (),
    replace: bool = False,
    cache_dir: str | Path | None = None,
) -> Added:
    """Store a network that was loaded or trained, perhaps in the place of another one. Errors as in `add`."""
    from model.network import checkpoint

    require_name(name)
    named = checkpoint.renamed(loaded, name, class_names)
    data, path = checkpoint.dump(named.network, named.facts), _path(name, cache_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_whole(path, data, replace=replace)
    except FileExistsError:
        if path.is_file() and path.read_bytes() == data:
            return Added(path, named, new=False)
        raise _taken(name) from None
    return Added(path, named, new=True)


def remove(name: str, cache_dir: str | Path | None = None) -> Path:
    """Remove a network; returns the folder that it was in. Raises LookupError for an unknown one."""
    if name == BUNDLED:
        raise LookupError(f"the network {name} ships with the code: expected one that was added")
    path = find(name, cache_dir)
    path.unlink()
    return path.parent


def export(
    name: str, path: Path, *, replace: bool = False, cache_dir: str | Path | None = None
) -> Checkpoint:
    """Write a network to a safetensors file of its own.

    Raises ValueError for another suffix, LookupError for an unknown name, OSError where it cannot be written.
    """
    from model.network import checkpoint
    from whole_file import FORCE, require_place

    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: expected a name that ends in {SUFFIX}")
    require_place(path, replace=replace, way_out=FORCE)
    loaded = checkpoint.load(find(name, cache_dir))
    write_whole(path, checkpoint.dump(loaded.network, loaded.facts), replace=replace)
    return loaded


def require_free(name: str, *, replace: bool = False, cache_dir: str | Path | None = None) -> None:
    """Raise FileExistsError where a network has this name, and is not to be replaced."""
    if name in names(cache_dir) and not replace:
        raise _taken(name)


def require_name(name: str) -> None:
    """Raise ValueError for a name that no network of the user may have."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"--name {name[:80]!r}: expected a letter, then letters, digits, '_' and '-', at most 64 in all"
        )
    if name == BUNDLED:
        raise ValueError(f"--name {name}: the bundled network is called so: give another name")


def _taken(name: str) -> FileExistsError:
    return FileExistsError(
        f"another network {name} is there already: give another --name, or remove it first: `xpixels network "
        f"remove {name}`"
    )


def _folder(cache_dir: str | Path | None) -> Path:
    return cache_root(cache_dir) / FOLDER


def _path(name: str, cache_dir: str | Path | None) -> Path:
    return _folder(cache_dir) / f"{name}{SUFFIX}"
