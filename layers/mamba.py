"""A recurrence over tokens whose coefficients depend on the tokens."""

from collections.abc import Mapping
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer


class Mamba(nn.Cell):
    """out(silu(gate) (C_t h_t + D u_t)), where h_t = exp(Δ_t A) h_{t-1} + Δ_t B_t u_t: the selective scan of Mamba.

    Maps (batch, tokens, size) to the same shape and dtype; the recurrence of float16 is computed in float32. u is a
    causal convolution of a projection of x, and Δ, B and C are linear in u. All tokens are computed at once, in
    log2(tokens) rounds. The recurrence is elementwise, so it has no MACs. Gu and Dao, Mamba, arXiv:2312.00752; the
    names are those of the paper.

    Args:
        size: size of a token.
        state: numbers of h for each channel.
        expand: how many times ``size`` the channels of u are.
        kernel: how many tokens the convolution sees.
        rank: size between u and Δ; None is size / 16, rounded up.

    Raises:
        ValueError: one of them is not an integer of at least 1.

    Parameters:
        in_proj.weight: (2 × expand × size, size), float32, as ``nn.Dense`` draws it; u comes first.
        conv1d.weight, conv1d.bias: (expand × size, 1, 1, kernel) and (expand × size,), float32, as ``nn.Conv1d``.
        x_proj.weight: (rank + 2 state, expand × size), float32, as ``nn.Dense``.
        dt_proj.weight, dt_proj.bias: (expand × size, rank) and (expand × size,), float32, as ``nn.Dense``.
        A_log: (expand × size, state), float32, the logarithms of 1, 2, …; A is -exp(A_log).
        D: (expand × size,), float32, ones.
        out_proj.weight: (size, expand × size), float32, as ``nn.Dense``.
    """

    def __init__(self, size: int, state: int = 16, expand: int = 2, kernel: int = 4, rank: int | None = None):
        super().__init__()
        rank = (size + 15) // 16 if rank is None and isinstance(size, int) else rank
        for number in (size, state, expand, kernel, rank):
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"size, state, expand, kernel and rank must be integers of at least 1, not {number!r}")
        self.size, self.state, self.expand, self.kernel, self.rank = size, state, expand, kernel, rank
        inner = expand * size
        self.in_proj = nn.Dense(size, 2 * inner, has_bias=False)
        self.conv1d = nn.Conv1d(inner, inner, kernel, pad_mode="pad", padding=kernel - 1, group=inner, has_bias=True)
        self.x_proj = nn.Dense(inner, rank + 2 * state, has_bias=False)
        self.dt_proj = nn.Dense(rank, inner)
        self.A_log = Parameter(Tensor(np.log(np.arange(1, state + 1) * np.ones((inner, 1))), mindspore.float32))
        self.D = Parameter(initializer("ones", (inner,)))
        self.out_proj = nn.Dense(inner, size, has_bias=False)

    def construct(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, size) to (batch, tokens, size)."""
        tokens = x.shape[1]
        wide = mindspore.float64 if x.dtype == mindspore.float64 else mindspore.float32
        u, gate = ops.split(self.in_proj(x), self.expand * self.size, -1)
        u = ops.silu(ops.transpose(self.conv1d(ops.transpose(u, (0, 2, 1)))[:, :, :tokens], (0, 2, 1)))
        step, b, c = ops.split(self.x_proj(u), [self.rank, self.state, self.state], -1)
        step = ops.expand_dims(self.dt_proj(step).astype(wide), -1)
        step = ops.relu(step) + ops.log(1 + ops.exp(-ops.abs(step)))  # softplus
        decay = ops.exp(-step * ops.exp(self.A_log.astype(wide)))
        states = self.scan(decay, step * ops.expand_dims(b, 2) * ops.expand_dims(u, -1))
        y = ops.sum(states * ops.expand_dims(c, 2), -1).astype(x.dtype) + self.D * u
        return self.out_proj(y * ops.silu(gate))

    def scan(self, decay: Tensor, h: Tensor) -> Tensor:
        """h_t + decay_t h_{t-1} + decay_t decay_{t-1} h_{t-2} + …, all (batch, tokens, channels, state)."""
        tokens = h.shape[1]
        reach = 1
        while reach < tokens:  # each round doubles how many tokens back h and decay have gathered
            h = ops.concat((h[:, :reach], h[:, reach:] + decay[:, reach:] * h[:, : tokens - reach]), 1)
            decay = ops.concat((decay[:, :reach], decay[:, reach:] * decay[:, : tokens - reach]), 1)
            reach = 2 * reach
        return h


def reference(x: np.ndarray, parameters: Mapping[str, np.ndarray], arguments: Mapping[str, Any]) -> np.ndarray:
    """The same in NumPy, token by token."""
    u, gate = np.split(x @ parameters["in_proj.weight"].T, 2, axis=-1)
    kernel, state = arguments["kernel"], arguments["state"]
    padded = np.pad(u, ((0, 0), (kernel - 1, 0), (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=1)
    u = _silu(np.einsum("btck,ck->btc", seen, parameters["conv1d.weight"][:, 0, 0]) + parameters["conv1d.bias"])
    step, b, c = np.split(u @ parameters["x_proj.weight"].T, [-2 * state, -state], axis=-1)
    step = np.logaddexp(0, step @ parameters["dt_proj.weight"].T + parameters["dt_proj.bias"])
    h = np.zeros((len(x), u.shape[-1], state))
    y = parameters["D"] * u
    for t in range(x.shape[1]):
        decay = np.exp(-step[:, t, :, None] * np.exp(parameters["A_log"]))
        h = decay * h + step[:, t, :, None] * b[:, t, None] * u[:, t, :, None]
        y[:, t] += np.einsum("bcn,bn->bc", h, c[:, t])
    return (y * _silu(gate)) @ parameters["out_proj.weight"].T


def _silu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + np.tanh(x / 2))
