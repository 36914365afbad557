"""Shape and dtype of tensors."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

from assembler.language.recipe import print_value


@dataclass(frozen=True, slots=True)
class Spec:
    """The shape and dtype of a tensor."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{print_value(self.shape)} {self.dtype}"

    @property
    def memory(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * itemsize(self.dtype)


def itemsize(dtype: str) -> int:
    """Bytes of one number of a type, by its name: 2 for ``bfloat16``, 8 for ``complex64``, 1 for ``bool``."""
    bits = re.search(r"\d+", dtype)
    return max(1, int(bits[0]) // 8) if bits else 1


Specs: TypeAlias = Spec | tuple["Specs", ...]
"""What a layer takes or emits: a tensor, or tuples of them."""


def print_shape(specs: Specs) -> str:
    """The shapes alone: ``(4, 8)``, or ``((4, 8), (1, 4, 8))`` for a tuple."""
    if isinstance(specs, Spec):
        return print_value(specs.shape)
    return f"({', '.join(map(print_shape, specs))})"


def print_specs(specs: Specs) -> str:
    """Shape and dtype of a tensor, or the shapes of a tuple."""
    return str(specs) if isinstance(specs, Spec) else f"a tuple {print_shape(specs)}"


def memory_of(specs: Specs) -> int:
    """Bytes of a tensor, or of all those in a tuple."""
    return specs.memory if isinstance(specs, Spec) else sum(map(memory_of, specs))


def numbers_in(specs: Specs) -> int:
    """How many numbers a tensor has, or all those in a tuple."""
    return math.prod(specs.shape) if isinstance(specs, Spec) else sum(map(numbers_in, specs))
