"""Data sets in every form that people have them in, made of noise, to be added."""

import gzip
import io
import json
import struct

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from model.data import registry
from tests.support.tiny_cifar10 import tar


def noise(count, height=6, width=5, channels=3, seed=0):
    """Images (N, H, W, C) uint8; the first pixel of the first is white, so that no range is in doubt."""
    images = np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)
    images[0, 0, 0] = 255
    return images


def png(image, **options):
    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(stream, "PNG", **options)
    return stream.getvalue()


def class_folders(images, labels, names):
    """A table for `write`: a folder for each class, with files in the order of the images."""
    table = {name: {} for name in names}
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        table[names[label]][f"{row:05}.png"] = png(image)
    return table


def npz(path, *, compressed=False, **arrays):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def idx(array, code=0x08):
    """An IDX file of uint8, or of the big-endian type that a code stands for."""
    types = {0x08: "u1", 0x0C: ">i4"}
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(types[code]).tobytes()


def mnist(train, test, *, packed=True):
    """A table for `write`: the four files of MNIST, of pairs of images (N, H, W) and labels (N,)."""
    table = {}
    for stem, (images, labels) in (("train", train), ("t10k", test)):
        table |= {f"{stem}-images-idx3-ubyte": idx(images), f"{stem}-labels-idx1-ubyte": idx(labels)}
    return {f"{name}.gz": gzip.compress(data) for name, data in table.items()} if packed else table


def cifar100(train, test, names=True):
    """A table for `write`: the files of CIFAR-100, of pairs of images (N, 32, 32, 3) and labels (N,)."""
    table = {"fine_label_names.txt": "".join(f"thing_{n}\n" for n in range(100)).encode()} if names else {}
    for name, (images, labels) in (("train.bin", train), ("test.bin", test)):
        table[name] = b"".join(
            bytes([label // 5, label]) + image.transpose(2, 0, 1).tobytes()
            for image, label in zip(images, labels.tolist(), strict=True)
        )
    return table


def cifar100_archive(train, test):
    return tar(cifar100(train, test), top="cifar-100-binary/")


def rows(images, labels, names=None, *, struct_form=True):
    """A Parquet file as Hugging Face writes it, or with bytes alone."""
    contents = [None if image is None else png(image) for image in images]
    pictures = [content and {"bytes": content, "path": None} for content in contents]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array(pictures, kind) if struct_form else pa.array(contents, pa.binary())
    table = pa.table({"image": images, "label": pa.array(list(labels))})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(about)
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()


def labels_of(count, classes, seed=1):
    """Labels (N,) in no order, with every class."""
    return np.random.default_rng(seed).permutation(np.arange(count) % classes).astype(np.int64)


def assert_holds(name, split, images, labels, class_names=None):
    """A split of an added data set, loaded by its name."""
    data = registry.load(name, split)
    assert (data.images.dtype, data.labels.dtype, data.positions.dtype) == (np.uint8, np.int32, np.int32)
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.positions.tolist() == list(range(len(labels)))
    assert (data.name, data.split) == (name, split)
    if class_names is not None:
        assert data.class_names == tuple(class_names)
    source = registry.source(name)
    assert source.image_shape == images.shape[1:]
    assert source.class_names == data.class_names
    assert source.counts[split] == len(labels)
