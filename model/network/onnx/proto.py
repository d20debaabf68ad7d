"""Load an ONNX file as a protocol buffer, and check that it is one network of one input and one output.

Nothing in the file is run. Its fields are counted before it is parsed: a message of two bytes takes a hundred
bytes of memory once it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from model.network.foreign import ForeignError

MOST_BYTES = 1 << 31  # the most that a protocol buffer can have
MOST_FIELDS = 500_000  # a network of a thousand layers has some fifty thousand
OLDEST, NEWEST = 7, onnx.defs.onnx_opset_version()  # before 7, sums and batch normalization had other rules
STANDARD = ("", "ai.onnx")
EXPECTED = "expected an ONNX file"


def load_model(path: Path) -> tuple[onnx.GraphProto, int, str]:
    """The graph in a file, the version of its operators, and the program that wrote it.

    Raises ForeignError for what is no ONNX file that can be read, OSError for one that cannot be opened.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ForeignError(f"network {path}: {size:,} bytes: expected at most {MOST_BYTES:,}")
    content = path.read_bytes()
    _check_fields(path, content)
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise ForeignError(f"network {path}: no intact ONNX file: {EXPECTED}, whole") from None
    if not model.graph.node:
        raise ForeignError(f"network {path}: a file without a network in it: {EXPECTED}")
    if model.functions:
        raise ForeignError(
            f"network {path}: it holds functions of its own ({_shorten(model.functions[0].name)!r}): "
            "expected standard operators alone; inline them with onnx.inliner.inline_local_functions"
        )
    return model.graph, _opset(path, model), _program(model)


def find_ends(path: Path, graph: onnx.GraphProto) -> tuple[onnx.ValueInfoProto, str]:
    """The one input that is not a weight, and the name of the one output. Raises ForeignError."""
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    for what, values in (("input", inputs), ("output", graph.output)):
        if len(values) != 1:
            names = ", ".join(_shorten(value.name) for value in list(values)[:5]) or "none"
            raise ForeignError(
                f"network {path}: it has {len(values)} {what}s ({names}): expected one; export the network "
                "with images as its one input and logits as its one output"
            )
    return inputs[0], graph.output[0].name


def _opset(path: Path, model: onnx.ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    version = max(versions, default=0)
    if not OLDEST <= version <= NEWEST:
        raise ForeignError(
            f"network {path}: operators of version {version}: expected {OLDEST} to {NEWEST}; convert it with "
            "onnx.version_converter.convert_version"
        )
    return version


def _program(model: onnx.ModelProto) -> str:
    words = f"{model.producer_name[:60]} {model.producer_version[:40]}".split()
    return "".join(letter for letter in " ".join(words) if letter.isprintable()) or "unknown"


def _shorten(name: str) -> str:
    return name[:60]


def _check_fields(path: Path, content: bytes) -> None:
    """Raise ForeignError where the bytes are no protocol buffer, or have too many fields."""
    count = 0
    pending: list[tuple[int, int, Any]] = [(0, len(content), onnx.ModelProto.DESCRIPTOR)]
    while pending:
        begin, end, descriptor = pending.pop()
        for number, start, stop in _fields(path, content, begin, end):
            count += 1
            if count > MOST_FIELDS:
                raise ForeignError(f"network {path}: more than {MOST_FIELDS:,} fields: {EXPECTED}")
            field = descriptor.fields_by_number.get(number)
            if field is not None and field.message_type is not None and stop > start:
                pending.append((start, stop, field.message_type))
            elif field is not None and field.type == field.TYPE_STRING:
                _check_text(path, content[start:stop])


def _check_text(path: Path, content: bytes) -> None:
    """Raise ForeignError where it is no UTF-8: the package would give it as bytes."""
    try:
        content.decode()
    except UnicodeDecodeError:
        raise ForeignError(f"network {path}: a name in it is no text: {EXPECTED}, whole") from None


def _fields(path: Path, content: bytes, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number, and the place of the content, of each field of a message; numbers have no content."""
    while place < end:
        key, place = _number(path, content, place, end)
        kind, start = key & 7, place
        if kind == 0:
            _, place = _number(path, content, place, end)
        elif kind == 2:
            size, start = _number(path, content, place, end)
            place = start + size
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        if kind in (3, 4, 6, 7) or key < 8 or place > end:
            raise ForeignError(f"network {path}: it ends early or is damaged: {EXPECTED}, whole")
        yield key >> 3, start, place if kind == 2 else start


def _number(path: Path, content: bytes, place: int, end: int) -> tuple[int, int]:
    """The number that begins at a place, seven bits a byte, and the place after it."""
    value = shift = 0
    while place < end and shift < 70:
        byte = content[place]
        value, place, shift = value | (byte & 127) << shift, place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ForeignError(f"network {path}: it ends early or is damaged: {EXPECTED}, whole")
