"""What becomes of the operators of an ONNX file, in all the ways in which exporters write them."""

from functools import partial

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from model.network import layers
from model.network.activations import ACTIVATIONS
from model.network.architecture import Pixels
from model.network.onnx import file as onnx_file
from model.network.onnx.pointwise import GRID, identify
from model.network.pointwise import activate
from tests.support.onnx_models import Model, compare

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture
def same(tmp_path):
    """Compare the logits of a model with onnxruntime's."""
    return partial(compare, tmp_path)


def kinds(foreign):
    return [type(layer).__name__ for layer in foreign.architecture.layers]


def functions(foreign):
    return [
        getattr(layer, "function", getattr(layer, "activation", None))
        for layer in foreign.architecture.layers
    ]


def gelu(model, x):
    """As torch's is exported before version 20."""
    error = model.add("Erf", model.add("Div", x, model.put(2**0.5)))
    return model.add("Mul", model.add("Mul", x, model.add("Add", error, model.put(1.0))), model.put(0.5))


def gelu_of_keras(model, x):
    error = model.add("Erf", model.add("Mul", x, model.put(0.5**0.5)))
    return model.add("Mul", model.add("Mul", model.put([0.5]), x), model.add("Add", model.put(1.0), error))


def gelu_tanh(model, x):
    cube = model.add("Mul", model.put(0.044715), model.add("Pow", x, model.put(3.0)))
    inner = model.add("Tanh", model.add("Mul", model.add("Add", x, cube), model.put((2 / np.pi) ** 0.5)))
    return model.add("Mul", model.add("Mul", x, model.put(0.5)), model.add("Add", inner, model.put(1.0)))


def silu(model, x):
    return model.add("Mul", model.add("Sigmoid", x), x)


def hard_silu(model, x):
    six = model.add("Clip", model.add("Add", x, model.put(3.0)), model.put(0.0), model.put(6.0))
    return model.add("Div", model.add("Mul", x, six), model.put(6.0))


def softplus(model, x):
    return model.add("Log", model.add("Add", model.add("Exp", x), model.put(1.0)))


def relu6(model, x):
    return model.add("Min", model.add("Relu", x), model.put(6.0))


def relu_of_clip(model, x):
    return model.add("Clip", x, model.put(0.0), "")


def leaky(model, x):
    return model.add("PRelu", x, model.put([0.3]))


def leaky_by_maximum(model, x):
    return model.add("Max", x, model.add("Mul", x, model.put(0.1)))


def no_function(model, x):
    """Steps that cancel out."""
    return model.add("Neg", model.add("Sub", model.put(0.0), model.add("Dropout", x)))


WRITTEN = {
    gelu: "gelu",
    gelu_of_keras: "gelu",
    gelu_tanh: "gelu_tanh",
    silu: "silu",
    hard_silu: "hard_silu",
    softplus: "softplus",
    relu6: "relu6",
    relu_of_clip: "relu",
    leaky: "leaky_relu(0.3)",
    leaky_by_maximum: "leaky_relu(0.1)",
    no_function: "linear",
}


def test_functions_are_recognized_however_they_are_written(same):
    model = Model(3, (3, 6, 5))
    x = "image"
    for write in WRITTEN:
        x = write(model, model.conv(x, 3, 3, (1, 1)))
    foreign = same(model, model.head(x, 90))
    assert functions(foreign) == [*WRITTEN.values(), None, "linear"]


KNOWN = [
    *(text for text in ACTIVATIONS if text != "linear"),
    "leaky_relu(0.2)",
    "elu(0.3)",
    "leaky_relu(-2.0)",
]


@pytest.mark.parametrize("text", KNOWN)
def test_functions_are_known_by_the_values_that_the_network_computes(text):
    values = np.asarray(activate(text, np.float32(GRID)), np.float64)
    values[~(np.abs(GRID) <= 50)] = np.inf  # float32 overflows there in some
    assert identify(values) == ("leaky_relu(0.01)" if text == "leaky_relu" else text)


def test_a_chain_of_functions_becomes_layers(same):
    """Constants before and after an activation function, and one after another."""
    model = Model(4, (3, 6, 5))
    x = model.add("Relu", model.add("Add", model.add("Mul", "image", model.put(2.0)), model.put(-0.7)))
    x = model.add("Tanh", silu(model, x))
    x = model.add("Sub", model.put(1.0), model.add("Div", x, model.put(3.0)))
    foreign = same(model, model.head(x, 90))
    assert kinds(foreign) == ["Affine", *["Activation"] * 3, "Affine", "Flatten", "Dense"]
    assert functions(foreign)[1:4] == ["relu", "silu", "tanh"]


def test_branches_of_one_value(same):
    """A function and its argument, added: two branches, not one function."""
    model = Model(5, (3, 6, 5))
    y = model.add("Add", "image", model.add("Tanh", "image"))
    y = model.add("Sum", y, model.add("Sigmoid", y), model.add("Identity", y))
    assert kinds(same(model, model.head(y, 90))).count("Add") == 3


def test_constants_join_the_layer_before(same):
    """Normalization in front is one layer; a sum after a product is a bias; a function the layer's own."""
    model = Model(6, (3, 5, 5))
    x = model.add("Sub", "image", model.put([[[0.4]], [[0.5]], [[0.6]]]))
    x = model.add("Div", x, model.put([[[[0.2]], [[0.3]], [[0.4]]]]))
    x = model.add("Relu", model.add("Add", model.conv(x, 3, 4, bias=False), model.some(1, 4, 1, 1)))
    x = model.add("MatMul", model.add("Flatten", x), model.some(36, 6))
    x = model.add("Elu", model.add("Add", model.some(6), x))
    foreign = same(model, model.gemm(x, 6, 3))
    assert kinds(foreign) == ["Affine", "Conv", "Flatten", "Dense", "Dense"]
    assert functions(foreign)[1:] == ["relu", None, "elu", "linear"]
    np.testing.assert_allclose(foreign.arrays["sub_0.scale"], [5, 10 / 3, 2.5], rtol=1e-6)
    np.testing.assert_allclose(foreign.arrays["sub_0.bias"], [-2, -5 / 3, -1.5], rtol=1e-6)


def test_what_two_read_is_joined_to_nothing(same):
    model = Model(7, (3, 5, 5))
    x = model.conv("image", 3, 4)
    y = model.add("Add", model.add("Relu", x), model.add("Tanh", x))
    assert functions(same(model, model.head(y, 36)))[:3] == ["linear", "relu", "tanh"]


def test_old_and_new_versions_of_operators(same):
    """Axes, limits and cells as attributes, and as inputs."""
    old = Model(8, (3, 6, 6), opset=9)
    x = old.add("Clip", old.conv("image", 3, 4), min=0.0, max=6.0)
    x = old.add("Pad", old.add("Dropout", x, outputs=2), pads=[0, 0, 1, 1, 0, 0, 0, 0])
    x = old.add("Squeeze", old.add("ReduceMax", x, axes=[2, 3]), axes=[2, 3])
    x = old.add("Reshape", old.add("Unsqueeze", x, axes=[2]), old.whole(0, -1))
    foreign = same(old, old.add("Softmax", old.gemm(x, 4, 3)))
    assert kinds(foreign) == ["Conv", "Pad", "GlobalPool", "Dense"]
    assert foreign.facts == {"format": "ONNX, operators of version 9", "program": "tests"}
    new = Model(8, (3, 6, 6), opset=21)
    x = new.add("Clip", new.conv("image", 3, 4), new.put(0.0), new.put(6.0))
    x = new.add("Pad", x, new.whole(1, 1, 0, 0), "", new.whole(-2, 3))
    x = new.add("ReduceMax", x, new.whole(2, 3), keepdims=0)
    x = new.add("Gelu", x, approximate="tanh")
    foreign = same(new, new.add("LogSoftmax", new.gemm(x, 4, 3)))
    assert "softmax taken off: the logits before it are what is compared" in foreign.notes


def test_constants_are_computed(same):
    """Weights that nodes make of others, as exporters leave them."""
    model = Model(9, (3, 4, 4))
    weights = model.add(
        "Transpose", model.add("Cast", model.some(5, 48), to=TensorProto.FLOAT16), perm=[1, 0]
    )
    fill = helper.make_tensor("", TensorProto.FLOAT, [1], [0.25])
    bias = model.add("Add", model.add("ConstantOfShape", model.whole(5), value=fill), model.some(5))
    scale = model.add("Constant", value_float=2.0)
    x = model.add("Mul", model.add("Reshape", "image", model.add("Constant", value_ints=[-1, 48])), scale)
    foreign = same(
        model, model.add("Gemm", x, model.add("Cast", weights, to=TensorProto.FLOAT), bias, beta=0.5)
    )
    assert kinds(foreign) == ["Affine", "Flatten", "Dense"]


def test_a_network_that_scales_bytes_itself_gets_bytes(tmp_path):
    """As Keras models do that begin by dividing by 255, and those that subtract a mean from bytes."""
    for number, (kind, constant, scale) in enumerate(
        (("Mul", 1 / 255, "byte"), ("Sub", 117.0, "byte"), ("Mul", 2.0, "unit"), ("Sub", 0.5, "unit"))
    ):
        model = Model(number, (3, 4, 4))
        x = model.add(kind, "image", model.put(constant))
        foreign = onnx_file.read(model.save(tmp_path / "net.onnx", model.head(x, 48)))
        assert foreign.architecture.pixels == Pixels(scale=scale)
        assert ("it scales pixels of 0..255 itself: it gets bytes" in foreign.notes) == (scale == "byte")
        asked = onnx_file.read(tmp_path / "net.onnx", pixels=Pixels(mean=(0.5,)))
        assert asked.architecture.pixels == Pixels(mean=(0.5,))


def test_a_sigmoid_for_each_class(same):
    model = Model(18, (3, 4, 4))
    foreign = same(model, model.add("Sigmoid", model.head("image", 48)))
    assert "it ends in a sigmoid for each class: these values count as logits" in foreign.notes


def test_weights_of_other_types_become_float32(tmp_path, same):
    model = Model(14, (1, 4, 4))
    half = model.put(model.chance.normal(size=(16, 3)), kind=np.float16)
    foreign = same(model, model.add("MatMul", model.add("Flatten", "image"), model.add("Cast", half, to=1)))
    assert foreign.notes == ("weights in float16 were made float32",)
    for kind, word in ((TensorProto.DOUBLE, "float64"), (TensorProto.BFLOAT16, "bfloat16")):
        numbers = model.chance.integers(-9, 9, 48).tolist()
        proto = model.proto("matmul_2")
        tensor = next(each for each in proto.graph.initializer if each.name == half)
        tensor.CopyFrom(helper.make_tensor(half, kind, [16, 3], numbers))
        onnx.save(proto, tmp_path / "net.onnx")
        foreign = onnx_file.read(tmp_path / "net.onnx")
        assert foreign.notes == (f"weights in {word} were made float32",)
        assert foreign.arrays["matmul_2.kernel"].dtype == np.float32
        np.testing.assert_array_equal(foreign.arrays["matmul_2.kernel"].reshape(-1), numbers)


def test_layers_are_named_after_their_weights(same):
    model = Model(15, (3, 4, 4))
    weight = model.put(model.chance.normal(size=(4, 3, 3, 3)), "layer1.0.conv1.weight")
    x = model.add("Relu", model.add("Conv", "image", weight))
    x = model.add(
        "BatchNormalization",
        x,
        *(
            model.put(np.ones(4), f"layer1.0.bn1.{name}")
            for name in (*("weight", "bias", "running_mean", "running_var"),)
        ),
    )
    foreign = same(model, model.head(x, 16))
    names = [layer.name for layer in foreign.architecture.layers]
    assert names == ["layer1_0_conv1", "layer1_0_bn1", "flatten_3", "gemm_4"]
    assert foreign.architecture.name == "net"


def test_words_for_padding(same):
    """Margins that mean the same as a word are said by it; a pool of the whole map is a global pool."""
    model = Model(16, (3, 8, 8))
    x = model.conv("image", 3, 4, pads=[1, 1, 1, 1])
    x = model.conv(x, 4, 4, (3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    x = model.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = model.add("AveragePool", x, kernel_shape=[2, 2], count_include_pad=1)
    foreign = same(model, model.gemm(model.add("Flatten", x), 4, 3))
    first, second, pool, whole, _ = foreign.architecture.layers
    assert (first.padding, second.padding, pool.padding) == ("SAME", ((1, 1), (1, 1)), "VALID")
    assert isinstance(whole, layers.GlobalPool)


def test_nodes_in_another_order_and_nodes_that_nothing_needs(same):
    model = Model(17, (3, 4, 4))
    x = model.conv("image", 3, 4)
    model.add("ArgMax", x)
    model.some(3, 3)
    y = model.head(model.add("Relu", x), 16)
    model.nodes.reverse()
    assert kinds(same(model, y)) == ["Conv", "Flatten", "Dense"]
