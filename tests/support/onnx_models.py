"""Small ONNX models with random weights, and what onnxruntime says of them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model.network import cnn
from model.network.build import build
from model.network.onnx import file as onnx_file


class Model:
    """A graph while it is written, NCHW: each method adds a node and gives the name of its output."""

    def __init__(self, seed=0, shape=(3, 9, 8), *, opset=17):
        self.chance = np.random.default_rng(seed)
        self.shape, self.opset = shape, opset
        self.nodes, self.weights, self.elements = [], [], TensorProto.FLOAT

    def add(self, kind, *inputs, domain="", outputs=1, **attributes):
        name = f"{kind.lower()}_{len(self.nodes)}"
        names = [name, *(f"{name}_{i}" for i in range(1, outputs))]
        node = helper.make_node(kind, inputs, names, f"/{name}/{kind}", domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def put(self, array, name=None, kind=np.float32):
        """A constant among the initializers."""
        name = name or f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, kind), name))
        return name

    def whole(self, *numbers):
        return self.put(numbers, kind=np.int64)

    def some(self, *shape, scale=1.0):
        return self.put(self.chance.normal(scale=scale, size=shape))

    def conv(self, x, channels, features, kernel=(3, 3), *, bias=True, group=1, **attributes):
        spread = 1 / np.sqrt(channels // group * kernel[0] * kernel[1])
        inputs = [x, self.some(features, channels // group, *kernel, scale=spread)]
        inputs += [self.some(features, scale=0.1)] if bias else []
        return self.add("Conv", *inputs, group=group, **attributes)

    def norm(self, x, channels, **attributes):
        positive = [self.put(self.chance.uniform(0.5, 2, channels)) for _ in range(2)]
        shift, mean = (self.some(channels, scale=0.5) for _ in range(2))
        return self.add("BatchNormalization", x, positive[0], shift, mean, positive[1], **attributes)

    def gemm(self, x, size, features):
        weight, bias = self.some(features, size, scale=1 / np.sqrt(size)), self.some(features)
        return self.add("Gemm", x, weight, bias, transB=1)

    def head(self, x, size, classes=5):
        """Flatten and a dense layer: what follows is in C, H, W order."""
        return self.gemm(self.add("Flatten", x), size, classes)

    def proto(self, output, *, dims=None, inputs=None, outputs=None):
        dims = ("N", *self.shape) if dims is None else dims
        inputs = inputs or [helper.make_tensor_value_info("image", self.elements, dims)]
        outputs = outputs or [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "graph", inputs, outputs, self.weights)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, producer_name="tests", ir_version=9)

    def save(self, path, output, **options):
        onnx.save(self.proto(output, **options), path)
        return path


def graph_of(write, **options):
    """A model of images (3, 4, 4) that a function (model) -> output writes."""
    model = Model(0, (3, 4, 4))
    return model.proto(write(model), **options)


def with_weights(name, dims, content=b"", *, kind=TensorProto.FLOAT, **beside):
    """A dense layer whose weights are declared so."""
    model = Model(0, (3, 4, 4))
    output = model.add("MatMul", model.add("Flatten", "image"), "w")
    tensor = TensorProto(name="w", data_type=kind, dims=dims, raw_data=content)
    if name is not None:
        tensor = TensorProto(name="w", data_type=kind, dims=dims, data_location=TensorProto.EXTERNAL)
        for key, value in {"location": name, **beside}.items():
            tensor.external_data.add(key=key, value=str(value))
    proto = model.proto(output)
    proto.graph.initializer.append(tensor)
    return proto


def compare(folder, model, output, *, arrange=None, pixels=onnx_file.UNPREPARED, **options):
    """Our logits and onnxruntime's on random images are equal; gives what was read, a `Foreign`.

    arrange: from images (N, H, W, C) to the model's input; usually channels first.
    """
    path = model.save(folder / "net.onnx", output, **options)
    foreign = onnx_file.read(path, pixels=pixels)
    images = model.chance.integers(0, 256, (3, *foreign.architecture.input_shape), dtype=np.uint8)
    inputs = images if model.elements == TensorProto.UINT8 else np.float32(images) / np.float32(255)
    arranged = inputs.transpose(0, 3, 1, 2) if arrange is None else arrange(inputs)
    expected = logits_of(path, np.ascontiguousarray(arranged))
    network = build(foreign.architecture, foreign.arrays)
    found = cnn.predict(network, images, batch_size=len(images))
    if any("softmax" in note for note in foreign.notes):
        found = np.exp(found) / np.exp(found).sum(-1, keepdims=True)
        expected = np.exp(expected) if expected.max() <= 0 else expected  # LogSoftmax
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)
    return foreign


def logits_of(path, images):
    """What onnxruntime gives for the inputs (N, ...) of a model's file, as rows."""
    onnxruntime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime, of the extra `test`, is not installed"
    )
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: images})
    return found.reshape(len(found), -1)
