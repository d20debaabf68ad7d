"""The network of the paper (section 3): Keras `examples/cifar10_cnn.py`, with 1,250,858 parameters."""

from pathlib import Path

from model.network.architecture import Architecture
from model.network.layers import Conv, Dense, Dropout, Flatten, MaxPool

WEIGHTS = Path(__file__).parent / "weights" / "cifar10-cnn.npz"  # its trained weights, bundled
CIFAR10_CNN = Architecture(
    "cifar10-cnn",
    (32, 32, 3),
    (
        Conv("conv1", 32),
        Conv("conv2", 32, padding="VALID"),
        MaxPool("pool1"),
        Dropout("dropout1", 0.25),
        Conv("conv3", 64),
        Conv("conv4", 64, padding="VALID"),
        MaxPool("pool2"),
        Dropout("dropout2", 0.25),
        Flatten("flatten"),
        Dense("dense", 512),
        Dropout("dropout3", 0.5),
        Dense("logits", 10, activation="linear"),
    ),
)
