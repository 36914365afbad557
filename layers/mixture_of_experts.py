"""Several feed-forward layers, of which each token takes a few."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops


class MixtureOfExperts(nn.Cell):
    """Σ p_e expert_e(x) over the ``top`` experts that a router prefers for each token, as in Mixtral.

    Maps (..., in_channels) to the same shape and dtype. The router is linear; p is its softmax, in float32 for float16,
    over the experts that are taken. Each expert is down(silu(gate(x)) up(x)). Jiang et al., Mixtral of experts,
    arXiv:2401.04088.

    Every expert runs on every token, and what is not taken is multiplied by zero: shapes then depend on no values, as
    Graph mode and export need it. ``count_macs`` counts what a token needs: the router and ``top`` experts.

    Args:
        in_channels: size of the input's last axis, and of the output's.
        hidden: size inside an expert.
        count: how many experts there are.
        top: how many of them each token takes.

    Raises:
        ValueError: one of them is not an integer of at least 1, or ``top`` is above ``count``.

    Parameters:
        router.weight: (count, in_channels), float32, as ``nn.Dense`` draws it.
        experts.0.gate.weight, experts.0.up.weight, …: (hidden, in_channels), float32, the same.
        experts.0.down.weight, …: (in_channels, hidden), float32, the same.
    """

    def __init__(self, in_channels: int, hidden: int, count: int = 8, top: int = 2):
        super().__init__()
        sizes = {"in_channels": in_channels, "hidden": hidden, "count": count, "top": top}
        for name, size in sizes.items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be an integer of at least 1, not {size!r}")
        if top > count:
            raise ValueError(f"top must be at most count, and {top} is above {count}")
        self.in_channels = in_channels
        self.hidden = hidden
        self.count = count
        self.top = top
        self.router = nn.Dense(in_channels, count, has_bias=False)
        self.experts = nn.CellList([_Expert(in_channels, hidden) for _ in range(count)])

    def construct(self, x: Tensor) -> Tensor:
        """Map (..., in_channels) to (..., in_channels)."""
        wide = mindspore.float64 if x.dtype == mindspore.float64 else mindspore.float32
        best, taken = ops.topk(ops.softmax(self.router(x).astype(wide), -1), self.top)
        best = best / ops.sum(best, -1, True)
        y = ops.zeros_like(x)
        for index in range(self.count):
            weight = ops.sum(ops.where(taken == index, best, 0.0), -1, True)
            y = y + weight.astype(x.dtype) * self.experts[index](x)
        return y

    def count_macs(self, x: tuple[int, ...]) -> int:
        """The MACs of the router and of ``top`` experts for an input of this shape."""
        return int(np.prod(x)) * (self.count + 3 * self.top * self.hidden)


class _Expert(nn.Cell):
    def __init__(self, in_channels: int, hidden: int):
        super().__init__()
        self.gate = nn.Dense(in_channels, hidden, has_bias=False)
        self.up = nn.Dense(in_channels, hidden, has_bias=False)
        self.down = nn.Dense(hidden, in_channels, has_bias=False)

    def construct(self, x: Tensor) -> Tensor:
        return self.down(ops.silu(self.gate(x)) * self.up(x))


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy, for one token after the other."""
    y = np.zeros_like(x)
    for position in np.ndindex(x.shape[:-1]):
        logits = parameters["router.weight"] @ x[position]
        taken = np.argsort(-logits, kind="stable")[: arguments["top"]]
        weights = np.exp(logits[taken] - logits.max())
        for expert, weight in zip(taken, weights / weights.sum(), strict=True):
            gate, up, down = (parameters[f"experts.{expert}.{name}.weight"] for name in ("gate", "up", "down"))
            inner = gate @ x[position]
            y[position] += weight * (down @ (inner * 0.5 * (1 + np.tanh(inner / 2)) * (up @ x[position])))
    return y
