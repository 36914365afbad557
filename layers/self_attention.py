"""Attention of tokens to each other."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops


class SelfAttention(nn.Cell):
    """output(softmax(Q Kᵀ / sqrt(head_dim)) V) for each head, with Q, K and V linear in x.

    Maps (batch, tokens, embed_dim) to the same shape and dtype, with head_dim = embed_dim / heads. The softmax of
    float16 is computed in float32. Vaswani et al., Attention is all you need, arXiv:1706.03762.

    Args:
        embed_dim: size of a token.
        heads: how many heads; it divides ``embed_dim``.
        kv_heads: heads of K and V, each shared by heads / kv_heads consecutive heads of Q; None is as many as
            ``heads``. Ainslie et al., GQA, arXiv:2305.13245.
        causal: whether each token sees only itself and those before it.
        rotary: the base of rotary position embeddings, 10000.0 in LLaMA; None is without them. Number i of the first
            half of a head and number i of its second half are turned by position × rotary^(-2i / head_dim), as in
            Hugging Face's LLaMA, whose weights fit; the original paper turns neighbours instead. Su et al., RoFormer,
            arXiv:2104.09864. Angles are float32, also for float16, and so are good to about position × 1e-7.
        has_bias: whether the four layers add a bias.

    Raises:
        ValueError: a size is not an integer of at least 1, ``heads`` does not divide ``embed_dim``, ``kv_heads`` does
            not divide ``heads``, ``rotary`` is not a number above 0, or a head to be turned is of odd size.

    Parameters:
        query.weight, output.weight: (embed_dim, embed_dim), float32, as ``nn.Dense`` draws them.
        key.weight, value.weight: (kv_heads × head_dim, embed_dim), float32, the same.
        query.bias, key.bias, value.bias, output.bias: as long as the weights' first axes, float32, the same.
    """

    def __init__(
        self,
        embed_dim: int,
        heads: int,
        kv_heads: int | None = None,
        causal: bool = False,
        rotary: float | None = None,
        has_bias: bool = True,
    ):
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        if not all(isinstance(number, int) and number >= 1 for number in (embed_dim, heads, kv_heads)):
            raise ValueError(
                "embed_dim, heads and kv_heads must be integers of at least 1, "
                f"not {embed_dim!r}, {heads!r} and {kv_heads!r}"
            )
        if embed_dim % heads:
            raise ValueError(f"heads must divide embed_dim, and {heads} does not divide {embed_dim}")
        if heads % kv_heads:
            raise ValueError(f"kv_heads must divide heads, and {kv_heads} does not divide {heads}")
        self.embed_dim = embed_dim
        self.heads = heads
        self.kv_heads = kv_heads
        self.head_dim = embed_dim // heads
        self.scale = Tensor(self.head_dim**-0.5, mindspore.float64)  # a Python float would act as a float32
        self.causal = bool(causal)
        self.rotary = rotary
        self.has_bias = has_bias
        if rotary is not None:
            if isinstance(rotary, bool) or not isinstance(rotary, int | float) or not rotary > 0:
                raise ValueError(f"rotary must be the base of the angles, such as 10000.0, or None, not {rotary!r}")
            if self.head_dim % 2:
                raise ValueError(f"rotary needs heads of even size, and embed_dim / heads is {self.head_dim}")
            self.frequencies = Tensor(float(rotary) ** (-np.arange(0, self.head_dim, 2) / self.head_dim))
        self.query = nn.Dense(embed_dim, embed_dim, has_bias=has_bias)
        self.key = nn.Dense(embed_dim, kv_heads * self.head_dim, has_bias=has_bias)
        self.value = nn.Dense(embed_dim, kv_heads * self.head_dim, has_bias=has_bias)
        self.output = nn.Dense(embed_dim, embed_dim, has_bias=has_bias)
        self.compare = ops.BatchMatMul(transpose_b=True)
        self.collect = ops.BatchMatMul()

    def construct(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, embed_dim) to (batch, tokens, embed_dim)."""
        batch, tokens, embed_dim = x.shape
        wide = mindspore.float64 if x.dtype == mindspore.float64 else mindspore.float32
        query = self.split(self.query(x), self.heads)
        key = self.split(self.key(x), self.kv_heads)
        value = self.split(self.value(x), self.kv_heads)
        if self.rotary is not None:
            angle = self.positions(tokens).astype(wide) * self.frequencies.astype(wide)
            cos, sin = ops.cos(angle).astype(x.dtype), ops.sin(angle).astype(x.dtype)
            query, key = self.turn(query, cos, sin), self.turn(key, cos, sin)
        # Heads of Q that share a head of K and V are consecutive, so that K and V are never repeated.
        query = ops.reshape(query * self.scale.astype(x.dtype), (batch, self.kv_heads, -1, self.head_dim))
        scores = ops.reshape(self.compare(query, key).astype(wide), (batch, self.heads, tokens, tokens))
        if self.causal:
            position = self.positions(tokens)
            scores = ops.where(ops.reshape(position, (1, -1)) > position, float("-inf"), scores)
        weights = ops.reshape(ops.softmax(scores, -1).astype(x.dtype), (batch, self.kv_heads, -1, tokens))
        heads = ops.reshape(self.collect(weights, value), (batch, self.heads, tokens, self.head_dim))
        return self.output(ops.reshape(ops.transpose(heads, (0, 2, 1, 3)), (batch, tokens, embed_dim)))

    def split(self, x: Tensor, heads: int) -> Tensor:
        """Map (batch, tokens, heads × head_dim) to (batch, heads, tokens, head_dim)."""
        batch, tokens, _ = x.shape
        return ops.transpose(ops.reshape(x, (batch, tokens, heads, self.head_dim)), (0, 2, 1, 3))

    def positions(self, tokens: int) -> Tensor:
        """0, 1, …, as (tokens, 1)."""
        # Not every device has arange, and not every file format a cumulative sum.
        return ops.reshape(ops.range(0, tokens, 1), (-1, 1)).astype(mindspore.float32)

    def turn(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Turn (batch, heads, tokens, head_dim) by angles (tokens, head_dim / 2)."""
        first, second = ops.split(x, self.head_dim // 2, -1)
        return ops.concat((first * cos - second * sin, second * cos + first * sin), -1)


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy, with K and V repeated for the heads that share them."""
    batch, tokens, embed_dim = x.shape
    heads = arguments["heads"]
    head_dim = embed_dim // heads

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ parameters[f"{name}.weight"].T + parameters.get(f"{name}.bias", 0)

    def split(name: str) -> np.ndarray:
        parts = dense(name, x).reshape(batch, tokens, -1, head_dim).transpose(0, 2, 1, 3)
        return np.repeat(parts, heads // parts.shape[1], axis=1)

    query, key, value = split("query"), split("key"), split("value")
    if arguments["rotary"] is not None:
        angle = np.outer(np.arange(tokens), arguments["rotary"] ** (-np.arange(0, head_dim, 2) / head_dim))
        turn = np.exp(1j * angle)
        query, key = (_turn(part, turn) for part in (query, key))
    scores = query @ key.swapaxes(-1, -2) / np.sqrt(head_dim)
    if arguments["causal"]:
        scores = np.where(np.tri(tokens, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return dense("output", (weights @ value).transpose(0, 2, 1, 3).reshape(batch, tokens, embed_dim))


def _turn(x: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Turn the complex numbers whose real parts are the first half and whose imaginary parts are the second."""
    half = x.shape[-1] // 2
    turned = (x[..., :half] + 1j * x[..., half:]) * turn
    return np.concatenate((turned.real, turned.imag), axis=-1)
