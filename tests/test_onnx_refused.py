"""Networks in ONNX files that cannot be described: one line names what, and the way out."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from model.network.foreign import WAY_OUT, ForeignError
from model.network.onnx import file as onnx_file
from model.network.onnx import proto as onnx_proto
from tests.support.hostile_files import one_line
from tests.support.onnx_models import Model, graph_of, with_weights


@pytest.fixture
def refused(tmp_path):
    """The one line in which a model is refused."""

    def message(proto):
        (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
        with pytest.raises(ForeignError) as caught:
            onnx_file.read(tmp_path / "net.onnx")
        one_line(caught.value, "")
        assert len(str(caught.value)) < 1000
        return str(caught.value)

    return message


def two_inputs(model):
    return model.head(model.add("Add", "image", "other"), 48)


def in_a_circle():
    proto = graph_of(lambda model: model.head(model.add("Relu", model.add("Add", "image", "relu_1")), 48))
    proto.graph.node[1].input[0] = "add_0"
    proto.graph.node[0].input[1] = "relu_1"
    return proto


def twice(proto):
    proto.graph.initializer.append(proto.graph.initializer[0])
    return proto


def with_function(proto):
    proto.functions.append(helper.make_function("own", "Trick", ["x"], ["y"], [], []))
    return proto


def another_output(model):
    x = model.add("MaxPool", "image", kernel_shape=[2, 2], outputs=2)
    return model.head(model.add("Add", "image", f"{x}_1"), 48)


def with_branch(model):
    empty = helper.make_graph([helper.make_node("Identity", ["image"], ["y"])], "branch", [], [])
    return model.head(model.add("If", model.put(True, kind=bool), then_branch=empty, else_branch=empty), 48)


IMAGES = [
    helper.make_tensor_value_info(name, TensorProto.FLOAT, ("N", 3, 4, 4)) for name in ("image", "other")
]
LOGITS = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("gemm_1", "flatten_0")]
NAN = np.full((48, 3), np.nan, np.float32)
REFUSED = {
    "two inputs": (lambda: graph_of(two_inputs, inputs=IMAGES), "it has 2 inputs (image, other)"),
    "two outputs": (
        lambda: graph_of(lambda model: model.head("image", 48), outputs=LOGITS),
        "it has 2 outputs (gemm_1, flatten_0)",
    ),
    "a circle": (in_a_circle, "its layers read each other in a circle: "),
    "weights that are missing": (
        lambda: graph_of(lambda model: model.add("MatMul", model.add("Flatten", "image"), "w")),
        "reads 'w', which is neither a weight nor an output",
    ),
    "weights twice": (
        lambda: twice(graph_of(lambda model: model.head("image", 48))),
        "two of its tensors share",
    ),
    "weights of another shape": (lambda: graph_of(lambda model: model.head("image", 47)), "(47, 5)"),
    "more numbers than it has": (
        lambda: with_weights(None, [48, 3], bytes(8)),
        "holds 8 bytes: expected 576",
    ),
    "numbers beyond any memory": (
        lambda: with_weights(None, [1 << 40, 1 << 40]),
        "'w' and those before it declare",
    ),
    "negative sides": (lambda: with_weights(None, [-48, -3], bytes(576)), "has the shape (-48, -3)"),
    "weights that are no numbers": (lambda: with_weights(None, [48, 3], NAN.tobytes()), "NaN or infinite"),
    "texts as weights": (lambda: with_weights(None, [0], kind=TensorProto.STRING), "'w' holds STRING"),
    "weights of four bits": (lambda: with_weights(None, [48, 3], kind=TensorProto.INT4), "'w' holds INT4"),
    "types that are not known": (lambda: with_weights(None, [48, 3], kind=99), "'w' holds 99"),
    "quantized numbers": (
        lambda: graph_of(
            lambda model: model.head(model.add("QuantizeLinear", "image", model.put(0.1)), 48),
        ),
        "layer '/quantizelinear_0/QuantizeLinear' is a QuantizeLinear, which cannot be described",
    ),
    "control flow": (lambda: graph_of(with_branch), "layer '/if_0/If' is a If, which"),
    "operators of one's own": (
        lambda: graph_of(lambda model: model.head(model.add("Relu", "image", domain="com.example"), 48)),
        "is a com.example.Relu, which cannot be described",
    ),
    "functions": (
        lambda: with_function(graph_of(lambda model: model.head("image", 48))),
        "functions of its own",
    ),
    "another output": (lambda: graph_of(another_output), "of which another output than the first is read"),
    "softmax in the middle": (
        lambda: graph_of(lambda model: model.gemm(model.add("Softmax", model.head("image", 48)), 5, 3)),
        "after a Softmax, which may stand at the end alone",
    ),
    "one class": (
        lambda: graph_of(lambda model: model.add("Sigmoid", model.head("image", 48, 1))),
        "one number",
    ),
    "a map at the end": (
        lambda: graph_of(lambda model: model.conv("image", 3, 4)),
        "expected a row of logits",
    ),
    "a flattened map at the end": (
        lambda: graph_of(lambda model: model.add("Flatten", model.conv("image", 3, 4))),
        "is a flattened map",
    ),
    "no layers": (lambda: graph_of(lambda model: model.add("Constant", value_float=1.0)), "does not depend"),
    "a gate": (
        lambda: graph_of(
            lambda model: model.head(
                model.add("Mul", "image", model.add("Sigmoid", model.conv("image", 3, 3, pads=[1, 1, 1, 1]))),
                48,
            )
        ),
        "of two branches",
    ),
    "a function that is not known": (
        lambda: graph_of(lambda model: model.head(model.add("Softsign", "image"), 48)),
        "is a Softsign (no activation function that is supported)",
    ),
    "another limit": (
        lambda: graph_of(
            lambda model: model.head(model.add("Clip", "image", model.put(0.0), model.put(1.0)), 48),
        ),
        "is a Clip (no activation function that is supported)",
    ),
    "a mean image": (
        lambda: graph_of(lambda model: model.head(model.add("Sub", "image", model.some(3, 4, 4)), 48)),
        "expected one number, or one for each channel",
    ),
    "an absurd margin": (
        lambda: graph_of(lambda model: model.head(model.conv("image", 3, 4, pads=[60000] * 4), 48)),
        "expected at most",
    ),
    "an absurd constant": (
        lambda: graph_of(
            lambda model: model.head(
                model.add("Add", "image", model.add("ConstantOfShape", model.whole(1 << 40))), 48
            )
        ),
        "expected at most",
    ),
    "constants that multiply": (
        lambda: graph_of(
            lambda model: model.add(
                "MatMul",
                model.add("Flatten", "image"),
                model.add("Add", model.put(np.ones((1 << 14, 1))), model.put(np.ones((1, 1 << 14)))),
            )
        ),
        "expected at most",
    ),
    "an image of no size": (
        lambda: graph_of(lambda model: model.head("image", 48), dims=("N", 3, "H", "W")),
        "(?, 3, ?, ?): rows, columns or channels are left open",
    ),
    "an absurd image": (
        lambda: graph_of(lambda model: model.head("image", 48), dims=("N", 3, 1 << 40, 1 << 40)),
        "expected at most",
    ),
    "no image": (
        lambda: graph_of(lambda model: model.gemm("image", 48, 3), dims=("N", 48)),
        "expected images",
    ),
    "more channels": (
        lambda: graph_of(lambda model: model.head("image", 48), dims=(1, 4, 6, 6)),
        "gray or color",
    ),
    "a normalization in training": (
        lambda: graph_of(lambda model: model.head(model.norm("image", 3, training_mode=1), 48)),
        "in training mode",
    ),
    "a padding by its neighbors": (
        lambda: graph_of(
            lambda model: model.head(model.add("Pad", "image", model.whole(*[1] * 8), mode="reflect"), 48)
        ),
        "by other values than zeros",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_described_is_named(name, refused):
    make, words = REFUSED[name]
    assert words in refused(make())


def test_a_refused_layer_comes_with_the_way_out(refused):
    message = refused(graph_of(lambda model: model.head(model.add("LRN", "image", size=3), 48)))
    assert message.endswith(WAY_OUT)
    assert "supported: convolution" in message


def test_versions_of_operators_that_are_too_old_or_too_new(refused):
    for version in (0, 6, onnx_proto.NEWEST + 1):
        model = Model(0, (3, 4, 4))
        proto = model.proto(model.head("image", 48))
        proto.opset_import[0].version = version
        assert f"operators of version {version}: expected 7 to" in refused(proto)
