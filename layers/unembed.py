"""From tokens back to the vocabulary, with the embedding's own table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops


class Unembed(nn.Cell):
    """x Eᵀ, where E is the table of an embedding: logits over the vocabulary, with weights tied to the input's.

    Maps (..., size) to (..., vocabulary). Press and Wolf, Using the output embedding, arXiv:1608.05859.

    Args:
        embedding: a Cell with a parameter ``embedding_table`` of shape (vocabulary, size), such as ``nn.Embedding``.
            Give the same Cell that embeds the input to tie the weights.

    Raises:
        TypeError: ``embedding`` is not such a Cell.

    Parameters:
        embedding: those of the Cell; there are no others.
    """

    def __init__(self, embedding: nn.Cell):
        super().__init__()
        table = getattr(embedding, "embedding_table", None)
        if not (isinstance(embedding, nn.Cell) and isinstance(table, Parameter) and len(table.shape) == 2):
            raise TypeError(
                "embedding must be a Cell with an embedding_table of shape (vocabulary, size), "
                f"not {type(embedding).__name__}"
            )
        self.embedding = embedding
        self.matmul = ops.MatMul(transpose_b=True)

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., size) to (..., vocabulary)."""
        table = self.embedding.embedding_table
        logits = self.matmul(ops.reshape(x, (-1, x.shape[-1])), table)
        return ops.reshape(logits, (*x.shape[:-1], table.shape[0]))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy."""
    return x @ parameters["embedding.embedding_table"].T
