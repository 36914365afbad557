"""From an image to tokens."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops


class PatchEmbedding(nn.Cell):
    """Cut an image into patches and map each to a token, with one linear layer for all.

    Maps (N, in_channels, H, W) to (N, patches, embed_dim), where patches = (H / patch) × (W / patch), in reading order.
    Dosovitskiy et al., An image is worth 16x16 words, arXiv:2010.11929.

    Args:
        in_channels: channels of the image.
        embed_dim: size of a token.
        patch: height and width of a patch; the image's must be multiples of it.

    Raises:
        ValueError: one of them is not an integer of at least 1.

    Parameters:
        projection.weight: (embed_dim, in_channels, patch, patch), float32, as ``nn.Conv2d`` draws it.
        projection.bias: (embed_dim,), float32, the same.
    """

    def __init__(self, in_channels: int, embed_dim: int, patch: int):
        super().__init__()
        if not all(isinstance(number, int) and number >= 1 for number in (in_channels, embed_dim, patch)):
            raise ValueError(
                "in_channels, embed_dim and patch must be integers of at least 1, "
                f"not {in_channels!r}, {embed_dim!r} and {patch!r}"
            )
        self.in_channels = in_channels
        self.embed_dim = embed_dim
        self.patch = patch
        self.projection = nn.Conv2d(in_channels, embed_dim, patch, stride=patch, pad_mode="valid", has_bias=True)

    def construct(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, patches, embed_dim)."""
        if x.shape[-2] % self.patch != 0 or x.shape[-1] % self.patch != 0:
            raise ValueError("PatchEmbedding: the image's height and width must be multiples of the patch")
        count = (x.shape[-2] // self.patch) * (x.shape[-1] // self.patch)
        patches = ops.reshape(self.projection(x), (-1, self.embed_dim, count))  # the batch may be open
        return ops.transpose(patches, (0, 2, 1))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    size = arguments["patch"]
    count, channels, height, width = x.shape
    cut = x.reshape(count, channels, height // size, size, width // size, size).transpose(0, 2, 4, 1, 3, 5)
    flat = cut.reshape(count, -1, channels * size * size)
    weight = parameters["projection.weight"]
    return flat @ weight.reshape(len(weight), -1).T + parameters["projection.bias"]
