"""A CIFAR-10 of nine images, in both of its forms, and what tests do to it."""

import hashlib
import io
import json
import tarfile

import numpy as np

from model.data.cifar10 import BinaryFile
from model.data.png import encode_png

RECORDS = 3


class Tiny:
    """Three files of three records, as `files` with their digests and as the contents of either form."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.binary, self.sheets, self.files = {}, {}, []
        labels = {"train": [], "test": []}
        for name, split in (("data_batch_1", "train"), ("data_batch_2", "train"), ("test_batch", "test")):
            images = rng.integers(0, 256, (RECORDS, 32, 32, 3), np.uint8)
            own = rng.integers(0, 10, RECORDS).tolist()
            content = b"".join(
                bytes([label]) + image.transpose(2, 0, 1).tobytes()
                for label, image in zip(own, images, strict=True)
            )
            md5 = hashlib.md5(content).hexdigest()
            self.files.append(BinaryFile(f"{name}.bin", split, len(labels[split]), md5, RECORDS))
            self.binary[f"{name}.bin"] = content
            self.sheets[f"{name}.png"] = encode_png(images.reshape(RECORDS, 1024, 3))
            labels[split] += own
        for split, content in labels.items():
            self.sheets[f"{split}_lables.json"] = json.dumps(content).encode()


def tar(members, top="cifar-10-batches-bin/", mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def write(path, content):
    """Write bytes as a file, or a table of names and bytes as a folder."""
    if isinstance(content, bytes):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    else:
        path.mkdir(parents=True)
        for name, inner in content.items():
            write(path / name, inner)
    return path


def altered(content, place=2000):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def replaced(table, name, change):
    return table | {name: change(table[name])}


def without(table, name):
    return {other: content for other, content in table.items() if other != name}


def assert_is_cached(folder, tiny):
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == tiny.binary
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def one_line(caught):
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def quiet(_message):
    pass
