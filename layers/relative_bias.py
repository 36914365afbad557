"""A learned number for each distance between two tokens."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, initializer


class RelativeBias(nn.Cell):
    """A learned number for each head and each bucket of distances, as in T5: the ``positions`` of ``Attention``.

    Maps the position of each key minus that of each query, (queries, keys), int32, to (heads, queries, keys) in the
    dtype of the table. The second half of the buckets is for keys after their query, unless ``causal``. In each
    direction, half of the buckets are for one distance each; those of the others grow with its logarithm, up to
    ``max_distance``, and all that is further shares the last. Raffel et al., Exploring the limits of transfer learning,
    arXiv:1910.10683.

    Args:
        heads: how many heads.
        buckets: how many buckets; a multiple of 4, or of 2 if ``causal``.
        max_distance: the distance from which on all are alike.
        causal: whether every key is before its query or at it, as in a decoder.

    Raises:
        ValueError: one of them is not an integer of at least 1, ``buckets`` is not such a multiple, or
            ``max_distance`` is within the buckets of one distance each.
        TypeError: ``causal`` is not a bool.

    Parameters:
        table: (buckets, heads), float32, drawn from a normal with deviation 0.02.
    """

    def __init__(self, heads: int, buckets: int = 32, max_distance: int = 128, causal: bool = False):
        super().__init__()
        if not isinstance(causal, bool):
            raise TypeError(f"causal must be True or False, not {causal!r}")
        if not all(type(number) is int and number >= 1 for number in (heads, buckets, max_distance)):
            raise ValueError(
                "heads, buckets and max_distance must be integers of at least 1, "
                f"not {heads!r}, {buckets!r} and {max_distance!r}"
            )
        if buckets % (2 if causal else 4):
            raise ValueError(f"buckets must be a multiple of {2 if causal else 4}, and is {buckets}")
        self.heads = heads
        self.buckets = buckets
        self.max_distance = max_distance
        self.causal = causal
        self.directed = buckets if causal else buckets // 2  # buckets of one direction
        self.bucket = Tensor(_buckets(self.directed, max_distance))
        self.table = Parameter(initializer(Normal(sigma=0.02), (buckets, heads)))

    def construct(self, distances: Tensor) -> Tensor:
        """Map (queries, keys) to (heads, queries, keys)."""
        index = ops.gather(self.bucket, ops.minimum(ops.abs(distances), self.max_distance), 0)
        index = ops.where(distances > 0, 0 if self.causal else self.directed + index, index)
        return ops.transpose(ops.gather(self.table, index, 0), (2, 0, 1))


def _buckets(count: int, max_distance: int) -> np.ndarray:
    """The bucket of each distance from 0 to ``max_distance``, in float32 as transformers computes it."""
    exact = count // 2
    if max_distance <= exact:
        raise ValueError(f"max_distance must be above {exact}, the buckets of one distance each, and is {max_distance}")
    distances = np.arange(max_distance + 1)
    ratio = np.log(np.maximum(distances, 1).astype(np.float32) / np.float32(exact))
    steps = ratio / np.float32(np.log(max_distance / exact)) * np.float32(count - exact)
    large = np.minimum(exact + steps.astype(np.int32), count - 1)
    return np.where(distances < exact, distances, large).astype(np.int32)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    count = arguments["buckets"] if arguments["causal"] else arguments["buckets"] // 2
    bucket = _buckets(count, arguments["max_distance"])
    index = bucket[np.minimum(np.abs(x), arguments["max_distance"])]
    index = np.where(x > 0, 0 if arguments["causal"] else count + index, index)
    return parameters["table"][index].transpose(2, 0, 1)
