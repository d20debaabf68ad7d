"""The register of Keras's layer classes: what each becomes in our description."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from model.network.activations import LINEAR
from model.network.description import MOST
from model.network.keras.activations import (
    FUNCTIONS,
    LAYERS,
    SOFTMAX,
    function_by_name,
    function_of_call,
    function_of_layer,
)
from model.network.keras.scaling import (
    ARITHMETIC,
    add_branches,
    batch_normalization,
    calculate,
    normalization,
    rescaling,
)
from model.network.keras.use import Part, Use
from model.network.layers import (
    Activation,
    AvgPool,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    MaxPool,
    Pad,
)
from model.network.sliding import Shape

Converter = Callable[[Use], list[Part]]
INACTIVE = (  # they do nothing once a network is trained
    *("ActivityRegularization", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Identity"),
    *("RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomErasing"),
    *("RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHeight", "RandomHue", "RandomInvert"),
    *("RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness"),
    *("RandomShear", "RandomTranslation", "RandomWidth", "RandomZoom"),
    *("SpatialDropout1D", "SpatialDropout2D"),
)


def convolution(use: Use) -> list[Part]:
    """Conv2D."""
    channels, features = use.map_shape[2], use.settings.whole("filters")
    conv = _describe(use, features, use.settings.whole("groups", 1))
    arrays = use.take(
        {"kernel": use.kernel_shape(conv.kernel, channels // conv.groups, features), **_bias_shape(conv)}
    )
    return use.finish(conv, {**arrays, "kernel": use.turned(arrays["kernel"])})


def depthwise(use: Use) -> list[Part]:
    """DepthwiseConv2D: each channel by kernels of its own."""
    conv, shape = _describe_depthwise(use)
    arrays = use.take({"depthwise_kernel": shape, **_bias_shape(conv)})
    arrays["kernel"] = _group(arrays.pop("depthwise_kernel"))
    return use.finish(conv, arrays)


def separable(use: Use) -> list[Part]:
    """SeparableConv2D: a depthwise convolution, then one of 1 x 1."""
    first, shape = _describe_depthwise(use)
    second = Conv("", use.settings.whole("filters"), (1, 1), bias=first.bias, activation=LINEAR)
    pointwise = (1, 1, first.features, second.features)
    arrays = use.take({"depthwise_kernel": shape, "pointwise_kernel": pointwise, **_bias_shape(second)})
    kernel = _group(arrays.pop("depthwise_kernel"))
    arrays["kernel"] = arrays.pop("pointwise_kernel")
    return [Part(replace(first, bias=False), {"kernel": kernel}), *use.finish(second, arrays)]


def dense(use: Use) -> list[Part]:
    """Dense; on a map it is a convolution of 1 x 1."""
    settings, shape = use.settings, use.shape
    units, bias = settings.whole("units"), settings.flag("use_bias", True)
    layer: Dense | Conv = Dense("", units, bias=bias, activation=LINEAR)
    arrays = use.take({"kernel": (shape[-1], units), **_bias_shape(layer)})
    if len(shape) == 1:
        order = use.orders[0]
        return use.finish(layer, arrays if order is None else {**arrays, "kernel": arrays["kernel"][order]})
    if use.style.channels_first:
        raise settings.refuse("on the columns of a map, not on its channels")
    layer = Conv("", units, (1, 1), bias=bias, activation=LINEAR)
    return use.finish(layer, {**arrays, "kernel": arrays["kernel"][None, None]})


def pool(kind: type[MaxPool | AvgPool], use: Use) -> list[Part]:
    """MaxPooling2D, AveragePooling2D."""
    window = use.settings.pair("pool_size", (2, 2))
    return [Part(kind("", window, use.settings.pair("strides", window), use.padding(None)))]


def global_pool(kind: type[MaxPool | AvgPool], use: Use) -> list[Part]:
    """GlobalMaxPooling2D, GlobalAveragePooling2D; one that keeps a map of one cell is a pool of all cells."""
    if use.settings.flag("keepdims", False):
        height, width, _ = use.map_shape
        return [Part(kind("", (height, width)))]
    return [Part(GlobalPool("", of="max" if kind is MaxPool else "mean"))]


def mean_over_map(use: Use) -> list[Part]:
    """`keras.ops.mean` over rows and columns."""
    axes = use.settings.config.get("axis")
    spatial = (2, 3) if use.style.channels_first else (1, 2)
    rank = len(use.map_shape) + 1
    given = axes if isinstance(axes, list | tuple) and all(isinstance(axis, int) for axis in axes) else ()
    if sorted(axis % rank for axis in given) != [*spatial]:
        raise use.settings.refuse("over something else than rows and columns")
    return global_pool(AvgPool, use)


def flatten(use: Use) -> list[Part]:
    """Flatten; one that is told `channels_first` puts channels last itself."""
    if len(use.shape) == 1:
        return []
    told = use.settings.config.get("data_format") == "channels_first"
    return [Part(Flatten(""), order=None if told else use.style.flat_order(use.shape))]


def reshape(use: Use) -> list[Part]:
    """Reshape, where it flattens a map or changes nothing."""
    shape, size = use.style.in_file(use.shape), math.prod(use.shape)
    target = resolve_target(use, size)
    if target == shape:
        return []
    if len(target) != 1:
        raise use.settings.refuse(f"from {shape} to {target}: expected to flatten a map")
    return [Part(Flatten(""), order=use.style.flat_order(use.shape))]


def resolve_target(use: Use, size: int) -> Shape:
    """The shape that a Reshape gives to so many numbers, as the file has it."""
    target = use.settings.config.get("target_shape")
    if not isinstance(target, list | tuple) or not all(
        isinstance(side, int) and -1 <= side <= MOST for side in target
    ):
        raise use.settings.fail("target_shape", "whole numbers")
    known = math.prod(side for side in target if side != -1)
    if target.count(-1) > 1 or known < 1 or size % known or (-1 not in target and known != size):
        raise use.settings.fail("target_shape", f"a shape of {size:,} numbers")
    return tuple(size // known if side == -1 else side for side in target)


def pad(use: Use) -> list[Part]:
    """ZeroPadding2D."""
    return [Part(Pad("", margins=use.settings.margins("padding")))]


def dropout(use: Use) -> list[Part]:
    """Dropout."""
    rate = use.settings.number("rate", 0.5)
    return [Part(Dropout("", rate=rate), order=use.orders[0])] if 0 < rate < 1 else []


def activation(use: Use) -> list[Part]:
    """An activation function as a layer, or as a function in a graph."""
    settings, axis = use.settings, use.settings.config.get("axis", -1)
    function: str | None
    if settings.kind == "Activation":
        function = function_by_name(settings.config.get("activation"), settings, use.style.version)
    else:
        function = function_of_layer(settings) if settings.kind in LAYERS else function_of_call(settings)
    if function is None:
        raise settings.refuse()
    if function == SOFTMAX:
        return [use.softmax(axis)]
    return [] if function == LINEAR else [Part(Activation("", function=function), order=use.orders[0])]


def concatenate(use: Use) -> list[Part]:
    """Concatenate, along the channels."""
    config = use.settings.config
    if not use.is_channel_axis(config.get("axis", config.get("concat_axis", -1))):
        raise use.settings.refuse("along an axis that is not that of channels")
    if all(order is None for order in use.orders):
        return [Part(Concat(""))]
    orders, start = [], 0
    for (size,), order in zip(use.shapes, use.orders, strict=True):
        orders.append(start + (np.arange(size) if order is None else order))
        start += size
    return [Part(Concat(""), order=np.concatenate(orders))]


def merge(use: Use) -> list[Part]:
    """Keras 1's Merge of branches, where it adds or joins them."""
    modes = {"sum": add_branches, "concat": concatenate}
    mode = use.settings.config.get("mode")
    if mode not in modes:
        raise use.settings.refuse(f"of the mode {str(mode)[:40]!r}")
    return modes[mode](use)


def keep_size(use: Use) -> list[Part]:
    """Layers that resize or crop, where the size is the one that is there."""
    given = tuple(use.settings.config.get(key) for key in ("height", "width"))
    if given != use.map_shape[:2]:
        raise use.settings.refuse(f"from {use.map_shape[:2]} to {given} rows and columns")
    return []


def leave_out(_: Use) -> list[Part]:
    """What does nothing once a network is trained."""
    return []


CONVERTERS: Mapping[str, Converter] = {
    "Conv2D": convolution,
    "DepthwiseConv2D": depthwise,
    "SeparableConv2D": separable,
    "Dense": dense,
    "MaxPooling2D": partial(pool, MaxPool),
    "AveragePooling2D": partial(pool, AvgPool),
    "GlobalMaxPooling2D": partial(global_pool, MaxPool),
    "GlobalAveragePooling2D": partial(global_pool, AvgPool),
    "BatchNormalization": batch_normalization,
    "Rescaling": rescaling,
    "Normalization": normalization,
    "ZeroPadding2D": pad,
    "Flatten": flatten,
    "Reshape": reshape,
    "Dropout": dropout,
    "Concatenate": concatenate,
    "Merge": merge,
    "Activation": activation,
    "Mean": mean_over_map,
    **dict.fromkeys((*LAYERS, *FUNCTIONS, "LeakyRelu", "Elu", "Gelu"), activation),
    **dict.fromkeys(ARITHMETIC, calculate),
    **dict.fromkeys(("Resizing", "CenterCrop", "RandomCrop"), keep_size),
    **dict.fromkeys(INACTIVE, leave_out),
}


def _describe(use: Use, features: int, groups: int) -> Conv:
    """A convolution without its activation function."""
    settings = use.settings
    conv = Conv(
        "",
        features,
        settings.pair("kernel_size"),
        stride=settings.pair("strides", (1, 1)),
        dilation=settings.pair("dilation_rate", (1, 1)),
        groups=groups,
        bias=settings.flag("use_bias", True),
        activation=LINEAR,
    )
    return replace(conv, padding=use.padding(conv.reach))


def _describe_depthwise(use: Use) -> tuple[Conv, Shape]:
    """A depthwise convolution, and the shape of its kernel in the file."""
    channels, multiplier = use.map_shape[2], use.settings.whole("depth_multiplier", 1)
    if use.style.theano:
        raise use.settings.refuse("written by Theano")
    conv = _describe(use, channels * multiplier, channels)
    return conv, (*conv.kernel, channels, multiplier)


def _bias_shape(layer: Conv | Dense) -> dict[str, Shape]:
    return {"bias": (layer.features,)} if layer.bias else {}


def _group(kernel: np.ndarray) -> np.ndarray:
    """Keras's kernel (rows, columns, channels, multiplier) as ours of as many groups as channels."""
    return kernel.reshape(*kernel.shape[:2], 1, -1)
