"""What a name says of an array: its role in its layer, and the words that distinguish layers.

PyTorch's ``bn1.running_var`` and MindSpore's ``1.moving_variance`` have the role ``running_var``. The words of
``encoder.layer.0.attention.self.query`` are encoder, layer, attention, self and query; those of ``q_proj`` are query
and projection.
"""

from __future__ import annotations

import re
from functools import cache

ROLES = {
    "weight": "weight",
    "gamma": "weight",
    "embedding_table": "weight",
    "bias": "bias",
    "beta": "bias",
    "running_mean": "running_mean",
    "moving_mean": "running_mean",
    "running_var": "running_var",
    "moving_variance": "running_var",
}
"""The last part of a parameter's name, in MindSpore and in PyTorch → its role, as PyTorch names it."""

_RECURRENT = re.compile(r"(weight|bias)_(ih|hh)(_l\d+)?(_reverse)?")
"""Parameters of LSTM, GRU and RNN, which have the same names and the same order of gates in both."""

_JOINED = re.compile(r"(\w+)_(weight|bias)")
"""``in_proj_weight`` is the weight of ``in_proj``."""

_COMPUTED = re.compile(
    r"(.*\.)?(num_batches_tracked|position_ids|relative_position_index|relative_coords_table|masked_bias|inv_freq|attn_mask"
    r"|relative_bias\.index|(h\.\d+\.attn\.)bias|EncDecAttention\.relative_attention_bias\.weight)"
)
"""Arrays that PyTorch stores and that are not parameters: counters, indices, masks, and a table in old files of T5.

Attention of T5 to its encoder knows no positions. transformers ignores that table, too.
"""


def is_computed(name: str) -> bool:
    """Whether an array is a counter, an index, a mask or unused: a MindSpore model computes it or does without."""
    return _COMPUTED.fullmatch(name) is not None


def split(name: str) -> tuple[str, str]:
    """The layer and the role of a name: ``bn1.gamma`` → ``("bn1", "weight")``.

    A parameter that is not in a layer of its own, such as ``encoder.class_token``, is one: its role is ``weight``.
    """
    layer, _, last = name.rpartition(".")
    if last in ROLES:
        return layer, ROLES[last]
    if _RECURRENT.fullmatch(last):
        return layer, last
    if match := _JOINED.fullmatch(last):
        return f"{layer}.{match[1]}" if layer else match[1], match[2]
    return name, "weight"


_SYNONYMS = {
    "query": "q wq",
    "key": "k wk",
    "value": "v wv",
    "output": "o out wo",
    "shortcut": "downsample skip identity proj",
    "norm": "ln bn gn layernorm batchnorm groupnorm rmsnorm layer_norm batch_norm",
    "embedding": "embed embeddings emb wte wpe embedding_table",
    "position": "pos positions wpe learned",
    "token": "tokens cls class",
    "scale": "gamma",
    "attention": "attn",
    "projection": "proj",
}
_WORDS: dict[str, set[str]] = {}
for _meaning, _words in _SYNONYMS.items():
    for _word in _words.split():
        _WORDS.setdefault(_word, set()).add(_meaning)


@cache
def words(path: str) -> frozenset[str]:
    """The words of a path, without numbers, each in one spelling."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1_\2", path).replace("down_sample", "downsample")
    parts = re.findall(r"[a-z]+", spaced.lower())
    return frozenset().union(*(_WORDS.get(part, {part}) for part in parts))


_EARLY = {"self": -2, "input": -1, "before": -1, "pre": -1, "in": -1, "stem": -1, "encoder": -1}
_LATE = {
    "post": 1,
    "after": 1,
    "final": 1,
    "f": 1,
    "last": 1,
    "head": 1,
    "classifier": 1,
    "decoder": 1,
    "pooler": 1,
    "pool": 1,
}
_RANKS = _EARLY | _LATE


@cache
def rank(component: str) -> int:
    """Where a part's name places it among its siblings: below 0 before them, above 0 after them, 0 anywhere."""
    ranks = [_RANKS[word] for word in words(component) if word in _RANKS]
    return sum(ranks)
