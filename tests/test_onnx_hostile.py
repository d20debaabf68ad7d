"""ONNX files that are damaged, or made to harm: each is read, or refused in one line, and no more."""

import os
import zipfile

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from model.network.foreign import ForeignError
from model.network.onnx import file as onnx_file
from tests.support.hostile_files import TIMES, damaged, little_memory, of, one_line, read_or_refused
from tests.support.onnx_models import Model, with_weights


@pytest.fixture
def offered(tmp_path):
    """Read other bytes, or another model, as a file."""

    def read(content):
        path = tmp_path / "net.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return onnx_file.read(path)

    return read


@pytest.fixture
def refused(offered):
    """The one line in which a file is refused."""

    def message(content):
        with pytest.raises(ForeignError) as caught:
            offered(content)
        one_line(caught.value, "")
        assert len(str(caught.value)) < 1000
        return str(caught.value)

    return message


OUTPUT = "softmax_11"


def small():
    """A model with a little of everything, and its output."""
    model = Model(0, (3, 6, 6))
    x = model.add("Relu", model.norm(model.conv("image", 3, 4, pads=[1, 1, 1, 1]), 4))
    x = model.add("Add", x, model.conv(x, 4, 4, (1, 1), group=2))
    x = model.add("Concat", x, model.add("Pad", x, model.whole(*[0] * 8)), axis=1)
    x = model.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = model.add("Reshape", model.add("Clip", x, model.put(0.0), model.put(6.0)), model.whole(0, -1))
    return model, model.add("Softmax", model.gemm(x, 72, 3))


def field(number, content):
    """A field of a protocol buffer with other fields, or text, in it."""
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def zip_bomb(folder):
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", bytes(1 << 24))
    return (folder / "bomb.zip").read_bytes()


def nested(depth):
    content = b""
    for _ in range(depth):  # a graph in an attribute of a node of a graph
        content = field(1, field(5, field(6, content)))
    return field(7, content)


FILES = {
    "nothing": lambda _: b"",
    "zeros": lambda _: bytes(1 << 16),
    "a page": lambda _: b"<!DOCTYPE html><html><body>404: not found</body></html>\n" * 9,
    "a pickle": lambda _: b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
    "a picture": lambda _: b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64),
    "a weights file of Keras": lambda _: b"\x89HDF\r\n\x1a\n" + bytes(512),
    "a pointer to a large file": lambda _: (
        b"version https://git-lfs.example/spec/v1\noid sha256:00\nsize 9\n"
    ),
    "a zip bomb": zip_bomb,
    "half a file": lambda _: small()[0].proto(OUTPUT).SerializeToString()[:-100],
    "graphs in graphs": lambda _: nested(3000),
    "a million empty nodes": lambda _: field(7, field(1, b"") * 1_000_000),
    "a node of a million empty attributes": lambda _: field(7, field(1, field(5, b"") * 1_000_000)),
    "fields longer than the file": lambda _: b"\x3a\xff\xff\xff\xff\x0f" + bytes(9),
    "a number that never ends": lambda _: b"\x08" + b"\xff" * 100,
    "a graph without nodes": lambda _: onnx.ModelProto(ir_version=9).SerializeToString(),
}


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_refused(name, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = FILES[name](tmp_path)
    with little_memory():
        message = refused(content)
    assert "expected an ONNX file" in message
    assert not (tmp_path / "owned").exists()


def test_random_bytes_are_refused(refused):
    for number in range(100 * TIMES):
        chance = of("bytes", number)
        refused(chance.randbytes(chance.choice((1, 10, 100, 1000))))


def test_damaged_files_are_read_or_refused(offered):
    content = small()[0].proto(OUTPUT).SerializeToString()
    assert offered(content).notes
    refusals = []
    with little_memory():
        for number in range(400 * TIMES):
            with read_or_refused(f"onnx/{number}", ForeignError, refusals):
                offered(damaged(of("onnx", number), content))
    assert refusals


NUMBERS = (0, 1, -1, 2, 3, 7, -2, 100, 2**31 - 1, -(2**31), 2**62)
ATTRIBUTES = ("axis", "axes", "pads", "perm", "keepdims", "group", "to", "ceil_mode", "strides")
KINDS = (
    *("Relu", "Conv", "Gemm", "MatMul", "Add", "Mul", "Concat", "Reshape", "Flatten", "Transpose", "Squeeze"),
    *("ReduceMean", "Unsqueeze", "Pad", "AveragePool", "Softmax", "Clip", "Shape", "Sum", "Identity", "Div"),
    *("BatchNormalization", "Cast", "Constant", "ConstantOfShape", "Gather", "Expand", "LSTM", "If"),
)


def changed(chance, proto):
    """A graph with another operator, input, attribute or shape."""
    graph = proto.graph
    for _ in range(chance.choice((1, 1, 2, 5))):
        node, what = chance.choice(graph.node), chance.randrange(8)
        if what == 0:
            node.op_type = chance.choice(KINDS)
        elif what == 1 and node.input:
            other = [name for each in graph.node for name in (*each.input, *each.output)]
            node.input[chance.randrange(len(node.input))] = chance.choice([*other, "", "nowhere"])
        elif what == 2 and node.input:
            del node.input[chance.randrange(len(node.input))]
        elif what == 3 and node.attribute:
            attribute = chance.choice(node.attribute)
            attribute.i = chance.choice(NUMBERS)
            attribute.f = chance.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
            if attribute.ints:
                attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(NUMBERS)
        elif what == 4:
            name = chance.choice(ATTRIBUTES)
            value = chance.choice((*NUMBERS, [1, 1], [0, 1, 2, 3], [-1], [], 0.5, "text", ["a"]))
            if not (isinstance(value, list) and not value):
                node.attribute.append(helper.make_attribute(name, value))
        elif what == 5:
            tensor = chance.choice(graph.initializer)
            if tensor.dims:
                tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(NUMBERS)
        elif what == 6:
            tensor = chance.choice(graph.initializer)
            numbers = numpy_helper.to_array(tensor).copy() if 0 not in tensor.dims else None
            if numbers is not None and numbers.dtype.kind == "i" and numbers.size:
                numbers.reshape(-1)[chance.randrange(numbers.size)] = chance.choice(NUMBERS)
                tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))
        else:
            side = chance.choice(graph.input[0].type.tensor_type.shape.dim)
            side.dim_value = chance.choice(NUMBERS)
    return proto


def test_changed_graphs_are_read_or_refused(offered):
    refusals = []
    model, output = small()
    with little_memory():
        for number in range(300 * TIMES):
            chance = of("graph", number)
            try:
                proto = changed(chance, model.proto(output))
            except ValueError:  # a tensor that was damaged before
                continue
            with read_or_refused(f"graph/{number}", ForeignError, refusals):
                foreign = offered(proto)
                shapes = {name: array.shape for name, array in foreign.arrays.items()}
                assert shapes == foreign.architecture.parameter_shapes()
    assert refusals


def test_weights_in_a_file_beside_the_model(offered, tmp_path):
    numbers = np.arange(144, dtype=np.float32)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "all.bin").write_bytes(bytes(4) + numbers.tobytes())
    foreign = offered(with_weights("weights/all.bin", [48, 3], offset=4, length=576))
    assert sorted(foreign.arrays["matmul_1.kernel"].reshape(-1)) == sorted(numbers)


@pytest.mark.parametrize(
    ("location", "beside"),
    [
        *(("../outside.bin", {}), ("/etc/hostname", {}), ("a/../../outside.bin", {}), ("", {}), (".", {})),
        *(("C:\\outside.bin", {}), ("..\\outside.bin", {}), ("link.bin", {}), ("linked/inside.bin", {})),
        *(("nowhere.bin", {}), ("pipe", {}), ("inside.bin\0", {}), ("inside.bin", {"offset": 8})),
        *(
            ("inside.bin", {"offset": -4}),
            ("inside.bin", {"length": 1 << 60}),
            ("inside.bin", {"offset": "x"}),
        ),
        ("inside.bin", {"length": 4}),
    ],
)
def test_files_elsewhere_are_not_opened(location, beside, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path / "outside.bin", folder / "inside.bin"):
        place.write_bytes(bytes(576))
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "linked").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    path = folder / "net.onnx"
    path.write_bytes(with_weights("inside.bin", [48, 3]).SerializeToString())
    onnx_file.read(path)
    path.write_bytes(with_weights(location, [48, 3], **beside).SerializeToString())
    with pytest.raises(ForeignError, match=r"^network .*: the tensor 'w' lies in the file") as caught:
        onnx_file.read(path)
    one_line(caught.value, location)


def test_a_folder_or_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path, tmp_path / "pipe.onnx"):
        with pytest.raises(ForeignError, match="no ordinary file"):
            onnx_file.read(path)
    with pytest.raises(FileNotFoundError):
        onnx_file.read(tmp_path / "nowhere.onnx")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "find_spec", lambda _: None)
    with pytest.raises(ForeignError, match=r"pip install explainable-pixels\[onnx\]`$"):
        onnx_file.read(tmp_path / "net.onnx")
