"""Networks from ONNX files, in any order of axes, give the logits that onnxruntime gives."""

from functools import partial

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from model.network.architecture import Pixels
from tests.support.onnx_models import Model, compare

pytestmark = pytest.mark.usefixtures("compiled_quickly")
SEEDS = range(10)


@pytest.fixture
def same(tmp_path):
    """Compare the logits of a model with onnxruntime's."""
    return partial(compare, tmp_path)


# Each takes (model, x, channels, height, width) and gives the same of what follows.


def convolution(model, x, channels, height, width):
    chance = model.chance
    depthwise = bool(chance.integers(2))
    features = channels * int(chance.integers(1, 3)) if depthwise else int(chance.integers(2, 7))
    kernel = tuple(map(int, chance.integers(1, 5, 2)))
    stride = tuple(map(int, chance.integers(1, 3, 2)))
    more = {"strides": stride, "group": channels if depthwise else 1, "bias": bool(chance.integers(2))}
    rule = chance.choice(["SAME_UPPER", "SAME_LOWER", "NOTSET"])
    if rule == "NOTSET":
        more |= {
            "pads": list(map(int, chance.integers(1, 4, 4))),
            "dilations": [1, int(chance.integers(1, 3))],
        }
    else:
        more |= {"auto_pad": str(rule)}
    y = model.conv(x, channels, features, kernel, **more)
    return y, *size(model, y)


def pool(model, x, channels, height, width):
    chance = model.chance
    kind = str(chance.choice(["MaxPool", "AveragePool"]))
    more = {"kernel_shape": [2, 3], "strides": list(map(int, chance.integers(1, 3, 2)))}
    if chance.integers(2):
        more |= {"pads": [1, 0, 1, 2]}
    if kind == "AveragePool" and chance.integers(2):
        more |= {"count_include_pad": 1}
    elif chance.integers(2):
        more |= {"ceil_mode": 1}
    y = model.add(kind, x, **more)
    return y, *size(model, y)


def normalization(model, x, channels, height, width):
    return model.norm(x, channels, epsilon=1e-4), channels, height, width


def shift(model, x, channels, height, width):
    x = model.add(
        str(model.chance.choice(["Mul", "Div"])), x, model.put(model.chance.uniform(0.5, 2, (channels, 1, 1)))
    )
    x = model.add("Sub", x, model.some(1, channels, 1, 1))
    return model.add("Add", model.put(0.25), x), channels, height, width


def function(model, x, channels, height, width):
    kind, more = PLAIN[int(model.chance.integers(len(PLAIN)))]
    return model.add(kind, x, **more), channels, height, width


def residual(model, x, channels, height, width):
    y = model.add("Relu", model.norm(model.conv(x, channels, channels, pads=[1, 1, 1, 1]), channels))
    y = model.conv(y, channels, channels, pads=[1, 1, 1, 1])
    return model.add("Relu", model.add("Add", y, x)), channels, height, width


def dense_block(model, x, channels, height, width):
    y = model.conv(model.add("Relu", x), channels, 3, pads=[1, 1, 1, 1])
    return model.add("Concat", x, y, axis=-3), channels + 3, height, width


def padding(model, x, channels, height, width):
    y = model.add("Pad", x, model.whole(0, 0, 1, 0, 0, 0, 0, 2))
    return y, channels, height + 1, width + 2


BLOCKS = (convolution, convolution, pool, normalization, shift, function, residual, dense_block, padding)
PLAIN = (
    *(("Relu", {}), ("LeakyRelu", {"alpha": 0.2}), ("LeakyRelu", {}), ("Elu", {"alpha": 0.5}), ("Selu", {})),
    *(("Sigmoid", {}), ("Tanh", {}), ("HardSigmoid", {"alpha": 1 / 6}), ("HardSwish", {}), ("Softplus", {})),
)


def size(model, name):
    """The channels, rows and columns of an output, as onnx infers them."""
    proto = model.proto(name, dims=(1, *model.shape))
    proto.opset_import[0].version = 22  # before, pools with ceil_mode were inferred otherwise than they ran
    inferred = onnx.shape_inference.infer_shapes(proto)
    dims = {
        each.name: each.type.tensor_type.shape.dim
        for each in (*inferred.graph.value_info, *inferred.graph.output)
    }
    return tuple(side.dim_value for side in dims[name])[1:]


# Each takes (model, x, channels, height, width) and gives the logits.


def flattened(model, x, channels, height, width):
    return model.head(x, channels * height * width)


def reshaped(model, x, channels, height, width):
    """As torch's `x.view(len(x), -1)` is exported."""
    count = model.add("Gather", model.add("Shape", x), model.put(0, kind=np.int64))
    shape = model.add("Concat", model.add("Unsqueeze", count, model.whole(0)), model.whole(-1), axis=0)
    hidden = model.gemm(model.add("Reshape", x, shape), channels * height * width, 7)
    return model.gemm(model.add("Relu", hidden), 7, 5)


def averaged(model, x, channels, height, width):
    return model.gemm(model.add("Flatten", model.add("GlobalAveragePool", x)), channels, 4)


def largest(model, x, channels, height, width):
    x = model.add("Squeeze", model.add("GlobalMaxPool", x), model.whole(2, 3))
    weights = model.some(channels, 6)
    return model.add("Add", model.add("MatMul", x, weights), model.some(6))


def reduced(model, x, channels, height, width):
    x = model.add("ReduceMean", x, axes=[-1, 2], keepdims=0)
    return model.add("Softmax", model.gemm(x, channels, 3))


def in_two_steps(model, x, channels, height, width):
    x = model.add("ReduceMean", model.add("ReduceMean", x, axes=[3], keepdims=0), axes=[2], keepdims=0)
    return model.gemm(x, channels, 3)


def over_cells(model, x, channels, height, width):
    """The mean over cells in one row, then a 1 x 1 convolution of vectors."""
    x = model.add("Reshape", x, model.whole(0, channels, -1))
    x = model.add("ReduceMean", x, axes=[2], keepdims=1)
    x = model.add("Unsqueeze", x, model.whole(3))
    return model.add("Flatten", model.conv(x, channels, 4, (1, 1)))


def as_convolution(model, x, channels, height, width):
    """A convolution of the whole map instead of a dense layer."""
    return model.add("Reshape", model.conv(x, channels, 4, (height, width)), model.whole(-1, 4))


def last_channels(model, x, channels, height, width):
    """Channels last, and then flattened: already our order."""
    x = model.add("Transpose", x, perm=[0, 2, 3, 1])
    return model.head(x, channels * height * width)


def columns_first(model, x, channels, height, width):
    """Another order still, with batch normalization and a shift of the flattened numbers."""
    length = channels * height * width
    x = model.add("Reshape", model.add("Transpose", x, perm=[0, 3, 1, 2]), model.whole(0, -1))
    x = model.add("Relu", model.add("Add", model.norm(x, length), model.some(length)))
    return model.gemm(x, length, 4)


def joined_rows(model, x, channels, height, width):
    """Flattened and pooled numbers beside one another."""
    rows, mean = model.add("Flatten", x), model.add("Flatten", model.add("GlobalAveragePool", x))
    return model.gemm(
        model.add("Concat", rows, mean, rows, axis=1), 2 * channels * height * width + channels, 4
    )


ENDS = (
    *(flattened, reshaped, averaged, largest, reduced, in_two_steps, over_cells, as_convolution),
    *(last_channels, columns_first, joined_rows),
)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs(same, seed):
    channels = 1 if seed % 3 == 0 else 3
    model = Model(seed, (channels, 8 + seed % 6, 8 + seed % 2))
    state = ("image", *model.shape)
    for _ in range(5):
        if min(state[2:]) < 4:
            break
        state = BLOCKS[int(model.chance.integers(len(BLOCKS)))](model, *state)
    state = residual(model, *state)
    same(model, ENDS[seed % len(ENDS)](model, *state))


@pytest.mark.parametrize("block", dict.fromkeys(BLOCKS))
def test_each_block(same, block):
    model = Model(1)
    same(model, flattened(model, *block(model, "image", *model.shape)))


@pytest.mark.parametrize("end", ENDS)
def test_each_end(same, end):
    model = Model(2, (3, 5, 4))
    same(model, end(model, *convolution(model, "image", *model.shape)))


def test_images_in_other_orders(same):
    """Channels last with and without a transpose, no channels, whole bytes, and a fixed number of images."""
    moved = Model(10, (5, 6, 3))
    y = moved.conv(moved.add("Transpose", "image", perm=[0, 3, 1, 2]), 3, 4)
    y = moved.head(moved.add("Transpose", moved.add("Relu", y), perm=[0, 2, 3, 1]), 48)
    foreign = same(moved, y, arrange=lambda x: x)
    assert foreign.architecture.input_shape == (5, 6, 3)
    assert not foreign.notes

    gray = Model(11, (5, 6))
    y = gray.conv(gray.add("Unsqueeze", "image", gray.whole(1)), 1, 4)
    assert same(gray, gray.head(y, 48), arrange=lambda x: x[..., 0]).architecture.input_shape == (5, 6, 1)

    few = Model(12, (3, 4, 3))  # channels first or last? The transpose tells
    y = few.conv(few.add("Transpose", "image", perm=[0, 3, 1, 2]), 3, 2, (1, 1))
    foreign = same(few, few.head(y, 24), arrange=lambda x: x)
    assert foreign.architecture.input_shape == (3, 4, 3)

    whole = Model(13, (3, 4, 5))
    whole.elements = TensorProto.UINT8
    y = whole.add("Mul", whole.add("Cast", "image", to=TensorProto.FLOAT), whole.put(1 / 255))
    y = whole.add("Reshape", whole.conv(y, 3, 2, (1, 1)), whole.whole(3, 40))
    foreign = same(whole, whole.gemm(y, 40, 3), dims=(3, 3, 4, 5))
    assert foreign.architecture.pixels == Pixels(scale="byte")
    assert foreign.notes == (
        "it takes whole bytes, 0 to 255",
        "channels first in the file: put last, and what follows a flatten put in that order",
    )
