"""Attention of tokens to each other, or to those of another sequence."""

from collections.abc import Mapping, Sequence
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops

LOWEST = -3.4028234663852886e38
"""The score of what is hidden. It is finite, so that a row with nothing to see has a softmax."""


class Attention(nn.Cell):
    """output(softmax(Q Kᵀ scale + positions) V) for each head, with Q, K and V linear in the inputs.

    Maps x, (batch, tokens, embed_dim), to the same shape and dtype; the softmax of float16 is computed in float32.
    Further inputs are those of other attentions: (x, memory) looks from x into memory, (batch, keys, memory_dim);
    (query, key, value) has keys and values apart; and (query, key, value, mask) sees only what a mask of integers or
    bool has as nonzero: (batch, keys) or (batch, queries, keys). Vaswani et al., Attention is all you need,
    arXiv:1706.03762.

    Args:
        embed_dim: size of a token.
        heads: how many heads; it divides ``embed_dim`` unless ``head_dim`` is given.
        kv_heads: heads of K and V, each shared by heads / kv_heads consecutive heads of Q; None is as many as
            ``heads``. Ainslie et al., GQA, arXiv:2305.13245.
        causal: whether each token sees only itself and those before it.
        rotary: the base of rotary position embeddings, 10000.0 in LLaMA; None is without them. Number i of the first
            half of a head and number i of its second half are turned by position × rotary^(-2i / head_dim), as in
            Hugging Face's LLaMA, whose weights fit; the original paper turns neighbours instead. Su et al., RoFormer,
            arXiv:2104.09864. Angles are float32, also for float16, and so are good to about position × 1e-7.
        has_bias: whether the four layers add a bias, or the first letters of those that do: ``'qkv'`` in Qwen2,
            ``'qvo'`` in Whisper.
        window: how many tokens each token sees, itself included, of those before it and, unless ``causal``, as many
            of those after it; None is all. Jiang et al., Mistral 7B, arXiv:2310.06825.
        positions: a Cell that maps the position of each key minus that of each query, (queries, keys), int32, to what
            is added to the scores, (heads, queries, keys): ``RelativeBias`` or ``ALiBi``; None adds nothing.
        head_dim: size of a head; None is embed_dim / heads.
        scale: the factor of the scores, 1 in T5; None is head_dim^(-1/2).
        memory_dim: size of a token of memory; None is ``embed_dim``.

    Raises:
        ValueError: a size is not an integer of at least 1, ``heads`` does not divide ``embed_dim``, ``kv_heads`` does
            not divide ``heads``, ``rotary`` or ``scale`` is not a number above 0, a head to be turned is of odd size,
            ``has_bias`` has other letters, or a mask is of floats or has other axes.
        TypeError: ``positions`` is not a Cell, or ``causal`` not a bool.

    Parameters:
        query.weight: (heads × head_dim, embed_dim), float32, as ``nn.Dense`` draws it.
        key.weight, value.weight: (kv_heads × head_dim, memory_dim), float32, the same.
        output.weight: (embed_dim, heads × head_dim), float32, the same.
        query.bias, key.bias, value.bias, output.bias: as long as the weights' first axes, float32, the same.
        positions: those of the Cell.
    """

    def __init__(
        self,
        embed_dim: int,
        heads: int,
        kv_heads: int | None = None,
        causal: bool = False,
        rotary: float | None = None,
        has_bias: bool | str = True,
        window: int | None = None,
        positions: nn.Cell | None = None,
        head_dim: int | None = None,
        scale: float | None = None,
        memory_dim: int | None = None,
    ):
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        _check_sizes(embed_dim=embed_dim, heads=heads, kv_heads=kv_heads)
        optional = {"window": window, "head_dim": head_dim, "memory_dim": memory_dim}
        _check_sizes(**{name: size for name, size in optional.items() if size is not None})
        if head_dim is None and embed_dim % heads:
            raise ValueError(f"heads must divide embed_dim, and {heads} does not divide {embed_dim}; or give head_dim")
        if heads % kv_heads:
            raise ValueError(f"kv_heads must divide heads, and {kv_heads} does not divide {heads}")
        if positions is not None and not isinstance(positions, nn.Cell):
            raise TypeError(f"positions must be a Cell, not {type(positions).__name__}")
        if not isinstance(causal, bool):
            raise TypeError(f"causal must be True or False, not {causal!r}")
        self.embed_dim = embed_dim
        self.heads = heads
        self.kv_heads = kv_heads
        self.causal = causal
        self.has_bias = has_bias
        self.window = window
        self.head_dim = embed_dim // heads if head_dim is None else head_dim
        self.memory_dim = embed_dim if memory_dim is None else memory_dim
        self.rotary = rotary
        if rotary is not None:
            self.frequencies = _frequencies(rotary, self.head_dim)
        self.scale = self.head_dim**-0.5 if scale is None else _above_0("scale", scale)
        self.factor = Tensor(self.scale, mindspore.float64)  # a Python float would act as a float32
        biased = _biased(has_bias)
        self.query = nn.Dense(embed_dim, heads * self.head_dim, has_bias="q" in biased)
        self.key = nn.Dense(self.memory_dim, kv_heads * self.head_dim, has_bias="k" in biased)
        self.value = nn.Dense(self.memory_dim, kv_heads * self.head_dim, has_bias="v" in biased)
        self.output = nn.Dense(heads * self.head_dim, embed_dim, has_bias="o" in biased)
        self.positions = positions
        self.compare = ops.BatchMatMul(transpose_b=True)
        self.collect = ops.BatchMatMul()

    def construct(
        self, query: Tensor, key: Tensor | None = None, value: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Map (batch, queries, embed_dim) to (batch, queries, embed_dim)."""
        key = query if key is None else key
        value = key if value is None else value
        batch, queries, _ = query.shape
        keys = key.shape[1]
        scores = self.scores(self.split(self.query(query), self.heads), self.split(self.key(key), self.kv_heads))
        if self.positions is not None:
            positions = self.positions(self.distances(queries, keys))
            if positions.shape[0] != self.heads:
                raise ValueError("Attention: positions must have as many heads")
            scores = scores + positions.astype(scores.dtype)
        if self.causal or self.window is not None:
            scores = ops.where(self.is_hidden(queries, keys), LOWEST, scores)
        if mask is not None:
            scores = ops.where(self.is_masked(mask), LOWEST, scores)
        weights = ops.reshape(ops.softmax(scores, -1).astype(query.dtype), (batch, self.kv_heads, -1, keys))
        heads = self.collect(weights, self.split(self.value(value), self.kv_heads))
        heads = ops.reshape(heads, (batch, self.heads, queries, self.head_dim))
        return self.output(
            ops.reshape(ops.transpose(heads, (0, 2, 1, 3)), (batch, queries, self.heads * self.head_dim))
        )

    def split(self, x: Tensor, heads: int) -> Tensor:
        """Map (batch, tokens, heads × head_dim) to (batch, heads, tokens, head_dim)."""
        batch, tokens, _ = x.shape
        return ops.transpose(ops.reshape(x, (batch, tokens, heads, self.head_dim)), (0, 2, 1, 3))

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Map Q and K, (batch, …heads, tokens, head_dim), to (batch, heads, queries, keys), at least in float32."""
        batch, _, queries, _ = query.shape
        if self.rotary is not None:
            query, key = self.turn(query), self.turn(key)
        # Heads of Q that share a head of K and V are consecutive, so that K and V are never repeated.
        query = ops.reshape(query * self.factor.astype(query.dtype), (batch, self.kv_heads, -1, self.head_dim))
        scores = self.compare(query, key)
        wide = mindspore.float64 if scores.dtype == mindspore.float64 else mindspore.float32
        return ops.reshape(scores.astype(wide), (batch, self.heads, queries, key.shape[2]))

    def turn(self, x: Tensor) -> Tensor:
        """Turn (batch, heads, tokens, head_dim) by the angles of the positions."""
        wide = mindspore.float64 if x.dtype == mindspore.float64 else mindspore.float32
        position = ops.reshape(ops.range(0, x.shape[2], 1), (-1, 1))
        angle = position.astype(wide) * self.frequencies.astype(wide)
        cos, sin = ops.cos(angle).astype(x.dtype), ops.sin(angle).astype(x.dtype)
        first, second = ops.split(x, self.head_dim // 2, -1)
        return ops.concat((first * cos - second * sin, second * cos + first * sin), -1)

    def distances(self, queries: int, keys: int) -> Tensor:
        """The position of each key minus that of each query, (queries, keys), int32."""
        # Not every device has arange, and not every file format a cumulative sum.
        query = ops.reshape(ops.range(0, queries, 1), (-1, 1))
        key = ops.reshape(ops.range(0, keys, 1), (1, -1))
        return key.astype(mindspore.int32) - query.astype(mindspore.int32)

    def is_hidden(self, queries: int, keys: int) -> Tensor:
        """Whether a key comes after a query, or is out of its window: (queries, keys)."""
        distances = self.distances(queries, keys)
        if self.window is None:
            return distances > 0
        is_far = ops.abs(distances) >= self.window
        return ops.logical_or(is_far, distances > 0) if self.causal else is_far

    def is_masked(self, mask: Tensor) -> Tensor:
        """Map (batch, keys) to (batch, 1, 1, keys), and (batch, queries, keys) to (batch, 1, queries, keys)."""
        if mask.dtype in (mindspore.float16, mindspore.float32, mindspore.float64):
            raise ValueError("Attention: the mask must be of integers or bool, nonzero where a key is seen")
        if mask.ndim != 2 and mask.ndim != 3:
            raise ValueError("Attention: the mask must be (batch, keys) or (batch, queries, keys)")
        is_masked = ops.expand_dims(mask.astype(mindspore.int32) == 0, 1)
        return ops.expand_dims(is_masked, 1) if mask.ndim == 2 else is_masked


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1, not {size!r}")


def _above_0(name: str, number: float) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float) or not number > 0:
        raise ValueError(f"{name} must be a number above 0, not {number!r}")
    return number


def _frequencies(rotary: float, head_dim: int) -> Tensor:
    if isinstance(rotary, bool) or not isinstance(rotary, int | float) or not rotary > 0:
        raise ValueError(f"rotary must be the base of the angles, such as 10000.0, or None, not {rotary!r}")
    if head_dim % 2:
        raise ValueError(f"rotary needs heads of even size, and head_dim is {head_dim}")
    return Tensor(float(rotary) ** (-np.arange(0, head_dim, 2) / head_dim))


def _biased(has_bias: bool | str) -> str:
    """The first letters of the layers that add a bias."""
    if isinstance(has_bias, bool):
        return "qkvo" if has_bias else ""
    if not isinstance(has_bias, str) or not set(has_bias) <= set("qkvo"):
        raise ValueError(f"has_bias must be True, False, or some of the letters 'qkvo', not {has_bias!r}")
    return has_bias


def reference(
    x: np.ndarray | Sequence[np.ndarray], parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]
) -> np.ndarray:
    """The same in NumPy, with K and V repeated for the heads that share them; x may be all of the inputs."""
    inputs = [x] if isinstance(x, np.ndarray) else list(x)
    mask = inputs[3] if len(inputs) == 4 else None
    inputs = [*inputs, *[inputs[-1]] * 2][:3]
    heads = arguments["heads"]
    head_dim = arguments["head_dim"] or inputs[0].shape[-1] // heads

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ parameters[f"{name}.weight"].T + parameters.get(f"{name}.bias", 0)

    def split(name: str, x: np.ndarray) -> np.ndarray:
        parts = dense(name, x).reshape(*x.shape[:2], -1, head_dim).transpose(0, 2, 1, 3)
        return np.repeat(parts, heads // parts.shape[1], axis=1)

    query, key, value = map(split, ("query", "key", "value"), inputs)
    if arguments["rotary"] is not None:
        query, key = (_turn(part, arguments["rotary"]) for part in (query, key))
    scores = query @ key.swapaxes(-1, -2) * (arguments["scale"] or head_dim**-0.5)
    scores = _hide(scores, mask, arguments)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    seen = (weights @ value).transpose(0, 2, 1, 3)
    return dense("output", seen.reshape(*seen.shape[:2], -1))


def _turn(x: np.ndarray, rotary: float) -> np.ndarray:
    """Turn the complex numbers whose real parts are the first half and whose imaginary parts are the second."""
    tokens, size = x.shape[-2:]
    angle = np.outer(np.arange(tokens), rotary ** (-np.arange(0, size, 2) / size))
    turned = (x[..., : size // 2] + 1j * x[..., size // 2 :]) * np.exp(1j * angle)
    return np.concatenate((turned.real, turned.imag), axis=-1)


def _hide(scores: np.ndarray, mask: np.ndarray | None, arguments: Mapping[str, Any]) -> np.ndarray:
    """Add what positions add to the scores, and replace those of keys that are not seen."""
    queries, keys = scores.shape[-2:]
    distances = np.arange(keys) - np.arange(queries)[:, None]
    if arguments["positions"] is not None:
        scores = scores + arguments["positions"](distances)
    is_seen = np.ones((queries, keys), bool)
    if arguments["causal"]:
        is_seen &= distances <= 0
    if arguments["window"] is not None:
        is_seen &= np.abs(distances) < arguments["window"]
    if mask is not None:
        is_seen = is_seen & (mask.reshape(len(mask), 1, -1, keys) != 0)
    return np.where(is_seen, scores, LOWEST)
