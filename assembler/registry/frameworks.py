"""What layers of other frameworks are called here: one table."""

from __future__ import annotations

KERAS, PYTORCH, TENSORFLOW, PADDLE = "Keras", "PyTorch", "TensorFlow", "PaddlePaddle"

NAMES: dict[str, dict[str, str]] = {
    PYTORCH: {
        "Bilinear": "BiDense",
        "ConvTranspose1d": "Conv1dTranspose",
        "ConvTranspose2d": "Conv2dTranspose",
        "ConvTranspose3d": "Conv3dTranspose",
        "Hardshrink": "HShrink",
        "Hardsigmoid": "HSigmoid",
        "Hardswish": "HSwish",
        "LazyConv2d": "Conv2d(_, out_channels, kernel_size)",
        "LazyLinear": "Dense(_, out_channels)",
        "Linear": "Dense",
        "LocalResponseNorm": "LRN",
        "ModuleList": "a + b, or 3 * a",
        "SELU": "SeLU",
        "Sequential": "a + b",
        "Softshrink": "SoftShrink",
        "UpsamplingNearest2d": "Upsample",
    },
    KERAS: {
        "Activation": "the activation itself, such as ReLU",
        "AveragePooling1D": "AvgPool1d",
        "AveragePooling2D": "AvgPool2d",
        "AveragePooling3D": "AvgPool3d",
        "BatchNormalization": "BatchNorm2d or BatchNorm1d",
        "Bidirectional": "LSTM(_, hidden_size, bidirectional=True)",
        "Concatenate": "Concat",
        "Conv1D": "Conv1d",
        "Conv1DTranspose": "Conv1dTranspose",
        "Conv2D": "Conv2d",
        "Conv2DTranspose": "Conv2dTranspose",
        "Conv3D": "Conv3d",
        "Conv3DTranspose": "Conv3dTranspose",
        "DepthwiseConv2D": "Conv2d(8, 8, 3, group=8)",
        "Dot": "MatMul",
        "GaussianNoise": "Residual(Noise(in_inference=False) + Scale(0.1))",
        "GlobalAveragePooling1D": "AdaptiveAvgPool1d(1) + Flatten",
        "GlobalAveragePooling2D": "AdaptiveAvgPool2d(1) + Flatten",
        "GlobalMaxPooling1D": "AdaptiveMaxPool1d(1) + Flatten",
        "GlobalMaxPooling2D": "AdaptiveMaxPool2d(1) + Flatten",
        "GroupNormalization": "GroupNorm",
        "Input": "the key input: {shape: [4, 8]}",
        "InputLayer": "the key input: {shape: [4, 8]}",
        "LayerNormalization": "LayerNorm",
        "MaxPooling1D": "MaxPool1d",
        "MaxPooling2D": "MaxPool2d",
        "MaxPooling3D": "MaxPool3d",
        "MultiHeadAttention": "Attention or MultiheadAttention",
        "Rescaling": "Scale(0.5)",
        "Sequential": "a + b",
        "SimpleRNN": "RNN",
        "SpatialDropout1D": "Dropout1d",
        "SpatialDropout2D": "Dropout2d",
        "SpatialDropout3D": "Dropout3d",
        "UpSampling2D": "Upsample",
        "ZeroPadding2D": "ZeroPad2d",
    },
}
"""Framework → its name → what to write here, where the two differ."""

_OWNERS = {
    "torch": PYTORCH, "F": PYTORCH, "functional": PYTORCH, "keras": KERAS, "tf": TENSORFLOW, "tensorflow": TENSORFLOW,
    "paddle": PADDLE,
}  # fmt: skip
_PREFIX = {*_OWNERS, "nn", "ops", "layers", "activations", "mint", "mindspore"}
"""The modules before a layer's name in Python: ``torch.nn.Linear``, ``tf.keras.layers.Conv2D``, ``nn.Dense``."""


def split(name: str) -> tuple[str, str, str]:
    """A name as Python code has it → the framework, if it is certain, the name without modules, and the modules.

    >>> split("torch.nn.Linear")
    ('PyTorch', 'Linear', 'torch.nn')

    Of a scope of the registry, the modules are a part of the name: ``mindcv.Linear``.
    """
    modules, _, short = name.rpartition(".")
    parts = modules.split(".")
    if not modules or not _PREFIX.issuperset(parts):
        return next((owner for owner, names in NAMES.items() if name in names), ""), name, ""
    owner = KERAS if "keras" in parts else next((_OWNERS[part] for part in parts if part in _OWNERS), "")
    return owner, short, modules


def name_here(owner: str, name: str) -> str:
    """What a framework's layer is written as here; empty if it is in no table.

    Args:
        owner: the framework, or an empty string for any.
    """
    owner = {TENSORFLOW: KERAS, PADDLE: PYTORCH}.get(owner, owner)  # these share most names
    tables = [NAMES[owner]] if owner else list(NAMES.values())
    return next((table[name] for table in tables if name in table), "")
