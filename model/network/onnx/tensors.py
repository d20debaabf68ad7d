"""Numbers of an ONNX file as arrays: the sizes that they declare are compared with what is there first.

A tensor may lie in a file beside the model. Only files in the model's own folder are opened: no link, and no
path that leaves it.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from model.network.foreign import ForeignError

MOST_BYTES = 1 << 31  # of all numbers of a network together
# The types that are read, with the field that holds their numbers where they are no raw bytes.
TYPES: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.FLOAT16: "int32_data",
    TensorProto.BFLOAT16: "int32_data",
    TensorProto.INT64: "int64_data",
    TensorProto.INT32: "int32_data",
    TensorProto.INT16: "int32_data",
    TensorProto.INT8: "int32_data",
    TensorProto.UINT8: "int32_data",
    TensorProto.BOOL: "int32_data",
}
NARROWED: dict[int, str] = {
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
}
FLOATS = (TensorProto.FLOAT, *NARROWED)


class Tensors:
    """The arrays of one file; they are made when they are asked for."""

    def __init__(self, path: Path, graph: onnx.GraphProto) -> None:
        """Raise ForeignError where two tensors of the graph share a name, or one is sparse."""
        self.path = path
        self.converted: set[str] = set()  # types of numbers that were made float32
        self._bytes = 0
        self._named = {tensor.name: tensor for tensor in graph.initializer}
        self._made: dict[str, np.ndarray] = {}
        if len(self._named) < len(graph.initializer):
            raise ForeignError(f"network {path}: two of its tensors share a name: expected a name for each")
        if graph.sparse_initializer:
            raise ForeignError(f"network {path}: it holds sparse weights: export it with dense ones")

    def __contains__(self, name: str) -> bool:
        """Whether the graph holds a tensor of this name."""
        return name in self._named

    def __getitem__(self, name: str) -> np.ndarray:
        """The tensor of this name: float32, or whole numbers. Raises ForeignError."""
        if name not in self._made:
            self._made[name] = self.decode(self._named[name], name)
        return self._made[name]

    def decode(self, tensor: TensorProto, name: str) -> np.ndarray:
        """A tensor's numbers: float32 for fractions, whole numbers as they are. Raises ForeignError."""
        label, kind = f"network {self.path}: the tensor {name[:80]!r}", tensor.data_type
        if kind not in TYPES:
            words = TensorProto.DataType.Name(kind) if kind in TensorProto.DataType.values() else str(kind)
            raise ForeignError(
                f"{label} holds {words}: expected float32, float16, bfloat16, float64 or whole numbers"
            )
        shape, width = tuple(tensor.dims), onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
        if any(side < 0 for side in shape) or len(shape) > 8:
            raise ForeignError(f"{label} has the shape {str(shape)[:80]}: expected sides from 0, at most 8")
        size = math.prod(shape) * width
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise ForeignError(
                f"{label} and those before it declare more than {MOST_BYTES:,} bytes: expected less"
            )
        external = tensor.data_location == TensorProto.EXTERNAL
        content = self._read_beside(tensor, label, size) if external else tensor.raw_data
        numbers = getattr(tensor, TYPES[kind])
        held, unit = (len(content), "bytes") if external or content else (len(numbers), "numbers")
        wanted = size if unit == "bytes" else math.prod(shape)
        if held != wanted or tensor.HasField("segment"):
            raise ForeignError(f"{label} of the shape {shape} holds {held:,} {unit}: expected {wanted:,}")
        whole = TensorProto(data_type=kind, dims=shape)
        if unit == "bytes":
            whole.raw_data = content
        else:
            getattr(whole, TYPES[kind]).extend(numbers)
        try:
            array = numpy_helper.to_array(whole)
        except (ValueError, TypeError, OverflowError) as error:
            raise ForeignError(f"{label} cannot be read: {' '.join(str(error).split())[:120]}") from None
        if kind in NARROWED:
            self.converted.add(NARROWED[kind])
        return to_float32(array) if kind in FLOATS else array

    def _read_beside(self, tensor: TensorProto, label: str, size: int) -> bytes:
        """The bytes of a tensor that lies in a file beside the model's."""
        facts = {entry.key: entry.value for entry in tensor.external_data}
        location = facts.get("location", "")
        place, rest = self.path.parent, f"{label} lies in the file {location[:80]!r}"
        parts = PurePosixPath(location).parts
        outside = ".." in parts or location.startswith("/") or PureWindowsPath(location).drive
        if not parts or outside or "\\" in location or "\0" in location:
            raise ForeignError(f"{rest}: expected the name of a file in the model's own folder")
        for part in parts:
            place = place / part
            if place.is_symlink():
                raise ForeignError(
                    f"{rest}, which is a link: expected an ordinary file in the model's folder"
                )
        if not place.is_file():
            raise ForeignError(f"{rest}, which is not there: put it beside {self.path.name}")
        try:
            offset, length = int(facts.get("offset", "0")), int(facts.get("length", size))
        except ValueError:
            offset = length = -1
        there = place.stat().st_size
        if offset < 0 or length != size or offset + length > there:
            raise ForeignError(
                f"{rest} at byte {facts.get('offset', '0')[:20]}, {facts.get('length', str(size))[:20]} "
                f"bytes: expected {size:,} in a file of {there:,}"
            )
        with place.open("rb") as file:
            file.seek(offset)
            return file.read(size)


def to_float32(array: np.ndarray) -> np.ndarray:
    """Fractions as float32; those that are too large for it become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, np.float32)
