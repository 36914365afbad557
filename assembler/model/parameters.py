"""Rules for parameters: their initial values, and which of them training does not change.

A pattern such as ``*.weight`` is compared with three names of a parameter: its name in the model, ``3.query.weight``;
its name inside its layer, ``Attention.query.weight``; and its name in the Cell that owns it, ``Dense.weight``.
``*`` matches any characters, ``?`` one character, ``[…]`` one of those.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from assembler.binding.arithmetic import is_inferred
from assembler.binding.expansion import expand
from assembler.errors import AssemblerError, ParameterError, Place, UnknownLayer, noted, raise_all
from assembler.files import require_file
from assembler.language.grammar import parse
from assembler.language.names import FUNCTIONS
from assembler.language.recipe import Definitions, Each, Layer, bare, is_stack, layers_in, leaves, print_value, walk
from assembler.model.inputs import Array, load_array, numbers
from assembler.planning.plan import Plan, Row, Rule, Weight
from assembler.runtime.messages import reason
from assembler.settings import StoredValues
from assembler.validation import read
from assembler.words import closest, suggestion

if TYPE_CHECKING:
    from mindspore import nn


def read_rules(init: Mapping[str, Any], definitions: Definitions) -> list[Rule]:
    """The rules under a recipe's ``init``, in order. MindSpore is imported if one of them names an initializer.

    Args:
        definitions: what the recipe's names mean.

    Raises:
        ParameterError, GrammarError, SettingsError, Mistakes: unknown initializers, wrong arguments of initializers,
            and files that cannot be read.
    """
    mistakes: list[AssemblerError] = []
    rules: list[Rule] = []
    for pattern, value in init.items():
        with noted(mistakes):
            rules.append(_rule(pattern, value, definitions, Place(key=f"recipe.init.{pattern}")))
    raise_all(mistakes)
    return rules


def _rule(pattern: str, value: Any, definitions: Definitions, place: Place) -> Rule:
    if isinstance(value, str):
        return _drawn(pattern, value, definitions, place)
    if isinstance(value, Mapping):
        stored = _stored(read(StoredValues, value, place.key), place)
        return Rule(pattern, dict(value), lambda shape: stored, stored.shape, stored.dtype.kind == "c", place)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Rule(pattern, value, lambda shape: np.full(shape, value, np.float32), place=place)
    instead = "an initializer such as HeNormal(mode='fan_out'), a number, {values: …} or {file: …}"
    raise ParameterError(f"init takes {instead}, not {print_value(value)}", place)


def _drawn(pattern: str, text: str, definitions: Definitions, place: Place) -> Rule:
    """The values of a MindSpore initializer, drawn from NumPy's global generator."""
    known = initializer_classes()
    written = parse(text, place.key)
    raise_all(list(_undefined(written, definitions)))
    stack, mistakes = expand(written, definitions)
    raise_all(mistakes)
    stack = bare(stack)
    if not isinstance(stack, Layer) or any(is_stack(leaf) for leaf in leaves([*stack.args, dict(stack.kwargs)])):
        raise ParameterError(_not_plain(text, stack), place)
    if any(map(is_inferred, leaves([*stack.args, dict(stack.kwargs)]))):
        raise ParameterError("'_' cannot be inferred in an initializer; write the value", stack.place)
    cls = known.get(_folded(stack.name))
    if cls is None:
        names = [one.__name__ for one in known.values()]
        instead = suggestion(stack.name, names) or f" There are: {', '.join(sorted(set(names)))}."
        raise ParameterError(f"no initializer named {stack.name!r}.{instead}", stack.place)
    try:
        made = cls(*stack.args, **dict(stack.kwargs))
    except (TypeError, ValueError) as error:
        takes = f"{cls.__name__}{inspect.signature(cls)}"
        raise ParameterError(f"{stack} cannot be made: {reason(error)}; write {takes}", stack.place) from None

    def draw(shape: tuple[int, ...]) -> Array:
        array = np.empty(shape, np.float32)
        made(array)
        return array

    return Rule(pattern, str(stack), draw, place=place)


def _undefined(written: Any, definitions: Definitions) -> Iterator[AssemblerError]:
    """Names in an initializer's arguments that are written as parameters are, and that the recipe does not define."""
    own = [*definitions.params, *definitions.shared, *definitions.blocks]
    known = {*own, *FUNCTIONS, *(name for one in walk(written) if isinstance(one, Each) for name in one.names)}
    for one in layers_in(written):
        is_name = one is not written and one.name[0].islower() and not one.args and not one.kwargs
        if is_name and one.name not in known and _folded(one.name) not in initializer_classes():
            instead = suggestion(one.name, own)
            hint = f".{instead}" if instead else f"; give it a value: params: {{{one.name}: 0.02}}"
            if word := next((word for word, value in _strings(written) if value is one), ""):
                hint = f"; a string needs quotes: {word}={one.name!r}"
            yield UnknownLayer(f"{one.name!r} is not defined{hint}", one.place)


def _strings(written: Any) -> Iterator[tuple[str, Any]]:
    """The named arguments of an initializer that are strings by default, such as ``mode``."""
    cls = initializer_classes().get(_folded(written.name)) if isinstance(written, Layer) else None
    takes = inspect.signature(cls).parameters if cls is not None else {}
    for word, value in written.kwargs if takes else ():
        if word in takes and isinstance(takes[word].default, str):
            yield word, value


def _not_plain(text: str, stack: object) -> str:
    """Why a text is not an initializer."""
    inside = [*stack.args, *dict(stack.kwargs).values()] if isinstance(stack, Layer) else []
    names = [leaf.name for leaf in leaves(inside) if isinstance(leaf, Layer) and not leaf.args]
    if names:
        return f"{text!r} names {names[0]!r}, which is not a parameter of the recipe"
    return f"{text!r} must be one initializer with plain arguments"


@cache
def initializer_classes() -> dict[str, type]:
    """MindSpore's initializers, and ``zeros`` and ``ones``, by their names in lower case without underscores."""
    from mindspore.common import initializer as initializers

    base = initializers.Initializer
    public = [getattr(initializers, name) for name in initializers.__all__]
    found = {_folded(one.__name__): one for one in public if isinstance(one, type) and one is not base}
    return {**found, "zeros": initializers.Zero, "ones": initializers.One}


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _stored(said: StoredValues, place: Place) -> Array:
    """Explicit values, or values from a file."""
    if said.values is not None:
        return np.asarray(numbers(said.values))
    assert said.file is not None
    file = Path(said.file)
    try:
        if file.suffix == ".npy":
            return load_array(file)
        with safe_open(require_file(file), framework="np") as stored:
            names = list(stored.keys())
            if said.name not in names:
                close = closest(str(said.name), names) or names[:5]
                raise ParameterError(f"{file} has no {said.name!r}. It has {', '.join(close)}", place)
            return stored.get_tensor(said.name)
    except OSError as error:
        raise ParameterError(f"{file}: {error.strerror or error}", place) from None
    except (ValueError, TypeError, AttributeError, SafetensorError) as error:
        raise ParameterError(f"{file} cannot be read: {reason(error)}", place) from None


def settle(planned: Plan, rules: Sequence[Rule], freeze: Sequence[str]) -> Plan:
    """The plan with, for each parameter, the first rule that matches it.

    Raises:
        ParameterError, Mistakes: patterns without effect.
    """
    planned = replace(planned, rules=tuple(rules))
    if not rules and not freeze:
        return planned
    used: set[str] = set()
    rows: list[Row] = []
    for row in planned.rows:
        weights = [_settled(row, weight, rules, freeze, used) for weight in row.weights]
        rows.append(replace(row, weights=tuple(weights)))
    wanted = [(f"init.{rule.pattern}", rule.pattern) for rule in rules]
    wanted += [(f"freeze[{index}]", pattern) for index, pattern in enumerate(freeze)]
    planned = replace(planned, rows=tuple(rows))
    useless = [_useless(planned, pattern, Place(key=f"recipe.{at}")) for at, pattern in wanted if at not in used]
    raise_all([*useless, *_of_other_shapes(planned)])
    return planned


def _of_other_shapes(planned: Plan) -> Iterator[AssemblerError]:
    """Errors of stored values whose shape differs from the parameter's."""
    for name, _, weight in planned.weights():
        rule = weight.rule
        if rule is not None and rule.shape not in (None, weight.shape):
            said = f"{name} has shape {print_value(weight.shape)}, and the values {print_value(rule.shape)}"
            yield ParameterError(said, rule.place)
        elif rule is not None and rule.is_complex and not weight.dtype.startswith("complex"):
            yield ParameterError(f"the values are complex, and {name} is {weight.dtype}", rule.place)


def _settled(row: Row, weight: Weight, rules: Sequence[Rule], freeze: Sequence[str], used: set[str]) -> Weight:
    """One parameter with its rules; the patterns that match are recorded."""
    words = aliases(row, weight)
    rule = next((rule for rule in rules if _fits(rule.pattern, words)), None)
    if rule is not None:
        used.add(f"init.{rule.pattern}")
    fits = [index for index, pattern in enumerate(freeze) if weight.requires_grad and _fits(pattern, words)]
    used.update(f"freeze[{index}]" for index in fits)
    return replace(weight, rule=rule, frozen=bool(fits))


def _fits(pattern: str, words: Iterable[str]) -> bool:
    return any(fnmatchcase(word, pattern) for word in words)


def aliases(row: Row, weight: Weight) -> tuple[str, ...]:
    """The names of a parameter that a pattern can match."""
    own = weight.name.rpartition(".")[2]
    of_layer = dict.fromkeys((row.layer, row.layer.rpartition(".")[2]))  # with its scope, and without
    return (row.full_name(weight), *(f"{layer}.{weight.name}" for layer in of_layer), f"{weight.owner}.{own}")


def _useless(planned: Plan, pattern: str, place: Place) -> AssemblerError:
    """Why a pattern has no effect."""
    everything = [(weight, aliases(row, weight)) for row in planned.rows for weight in row.weights]
    fitting = [weight for weight, words in everything if _fits(pattern, words)]
    if fitting and ".freeze" in place.key:
        return ParameterError(f"{pattern!r} matches only parameters that are not trainable anyway", place)
    if fitting:
        rule = next(weight.rule for weight in fitting if weight.rule is not None)
        said = f"every parameter that {pattern!r} matches is set by an earlier rule, such as {rule.pattern!r}"
        return ParameterError(said, place)
    names = dict.fromkeys(word for _, words in everything for word in words)
    if any(word.startswith(f"{pattern}.") for word in names):
        return ParameterError(f"{pattern!r} matches no parameter. Did you mean '{pattern}.*'?", place)
    close = closest(pattern, names)
    instead = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"There are {_some(list(names))}."
    return ParameterError(f"{pattern!r} matches no parameter. {instead}", place)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "none"


@dataclass(frozen=True)
class Observed:
    """A parameter at the end of a run.

    Args:
        name: its name in the model.
        row: its layer.
        weight: its row in the plan.
        set_by: the rule or the file that set its values; empty if the layer did.
        mean, std, least, most: statistics of its values; None in a plan, which has no values.
    """

    name: str
    row: Row
    weight: Weight
    set_by: str = ""
    mean: float | None = None
    std: float | None = None
    least: float | None = None
    most: float | None = None


def observe(
    planned: Plan, model: nn.Cell | None = None, loaded: Collection[str] = (), file: str | None = None
) -> list[Observed]:
    """Every parameter of a plan, with statistics of its values if there is a model.

    Args:
        loaded: the names of those loaded from ``file``.
    """
    values: dict[str, Array] = {}
    if model is not None:
        from assembler.runtime import device

        values = {one.name: device.as_array(one) for one in model.get_parameters()}
    found: list[Observed] = []
    for name, row, weight in planned.weights():
        set_by = str(file) if name in loaded else str(weight.rule or "")
        found.append(Observed(name, row, weight, set_by, *(_statistics(values[name]) if name in values else ())))
    return found


_BLOCK = 1 << 18
"""Numbers per chunk, so that a chunk fits into the processor's cache."""


@np.errstate(all="ignore")  # values need not be finite; the statistics then are not, either
def _statistics(array: Array) -> tuple[float, ...]:
    """Mean, standard deviation, minimum and maximum, in float64."""
    flat = np.abs(array).reshape(-1) if array.dtype.kind == "c" else array.reshape(-1)
    blocks = [flat[at : at + _BLOCK] for at in range(0, flat.size, _BLOCK)]
    mean = sum(float(block.sum(dtype=np.float64)) for block in blocks) / max(flat.size, 1)
    apart = (np.subtract(block, mean, dtype=np.float64) for block in blocks)
    squares = sum(float(np.dot(block, block)) for block in apart)
    return mean, math.sqrt(squares / max(flat.size, 1)), float(flat.min()), float(flat.max())
