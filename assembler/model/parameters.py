"""What a recipe says of parameters: which values they begin with, and which training leaves as they are.

A pattern such as ``*.weight`` is compared with a parameter's name in the model, ``3.query.weight``; with the name of
its layer and its name there, ``SelfAttention.query.weight``; and with the class of the Cell that holds it and its name
there, ``Dense.weight``. ``*`` is any run of characters, ``?`` any one, ``[…]`` one of those.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindspore import nn
from mindspore.common import initializer as initializers
from safetensors import SafetensorError, safe_open

from assembler.binding.expansion import expand
from assembler.binding.parsing import parse_recipe
from assembler.binding.structure import walk
from assembler.errors import AssemblerError, ParameterError, Place, noted, raise_all
from assembler.files import require_file
from assembler.language.grammar import parse
from assembler.language.recipe import Definitions, Layer, bare, is_stack, leaves, print_value
from assembler.model.build import build_steps
from assembler.model.inputs import Array, load_array, numbers
from assembler.planning.plan import Plan, Row, Rule, Weight
from assembler.runtime import device
from assembler.runtime.messages import reason
from assembler.settings import RecipeSettings, StoredValues
from assembler.validation import read
from assembler.words import closest, suggestion


def read_rules(recipe: RecipeSettings, key: str = "recipe") -> list[Rule]:
    """The rules under a recipe's ``init``, in order.

    Raises:
        ParameterError, GrammarError, SettingsError, Mistakes: initializers that do not exist or refuse their arguments,
            and files that cannot be read.
    """
    if not recipe.init:
        return []
    mistakes: list[AssemblerError] = []
    rules: list[Rule] = []
    told: list[AssemblerError] = []
    definitions = Definitions()
    with noted(told):
        if recipe.file is None:  # beside a network file, nothing has a name
            _, definitions = parse_recipe(recipe)
    if told:
        return []  # what is wrong with the layers is told with the layers; what names mean is not known
    for pattern, value in recipe.init.items():
        place = Place(key=f"{key}.init.{pattern}")
        with noted(mistakes):
            rules.append(_rule(pattern, value, definitions, place))
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
    raise ParameterError(f"first values are {instead}, not {print_value(value)}", place)


def _drawn(pattern: str, text: str, definitions: Definitions, place: Place) -> Rule:
    """The values of one of MindSpore's initializers, drawn from NumPy's global generator."""
    known = initializer_classes()
    stack, mistakes = expand(parse(text, place.key), definitions)
    raise_all(mistakes)
    stack = bare(stack)
    if not isinstance(stack, Layer) or any(is_stack(leaf) for leaf in leaves([*stack.args, dict(stack.kwargs)])):
        raise ParameterError(_not_plain(text, stack), place)
    cls = known.get(_folded(stack.name))
    if cls is None:
        names = [one.__name__ for one in known.values()]
        instead = suggestion(stack.name, names) or f" There are: {', '.join(sorted(set(names)))}."
        raise ParameterError(f"no initializer named {stack.name!r}.{instead}", stack.place)
    try:
        made = cls(*stack.args, **dict(stack.kwargs))
    except (TypeError, ValueError) as error:
        takes = f"{cls.__name__}{inspect.signature(cls)}"
        raise ParameterError(f"{stack} cannot be made: {reason(error)}; it is {takes}", stack.place) from None

    def draw(shape: tuple[int, ...]) -> Array:
        array = np.empty(shape, np.float32)
        made(array)
        return array

    return Rule(pattern, str(stack), draw, place=place)


def _not_plain(text: str, stack: object) -> str:
    """Why a text is no initializer."""
    inside = [*stack.args, *dict(stack.kwargs).values()] if isinstance(stack, Layer) else []
    names = [leaf.name for leaf in leaves(inside) if isinstance(leaf, Layer) and not leaf.args]
    if names:
        return f"{text!r} names {names[0]!r}, which is no parameter of the recipe"
    return f"{text!r} is not one initializer with plain arguments"


@cache
def initializer_classes() -> dict[str, type]:
    """MindSpore's initializers by their names in lower case without underscores, ``zeros`` and ``ones`` besides."""
    base = initializers.Initializer
    public = [getattr(initializers, name) for name in initializers.__all__]
    found = {_folded(one.__name__): one for one in public if isinstance(one, type) and one is not base}
    return {**found, "zeros": initializers.Zero, "ones": initializers.One}


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _stored(said: StoredValues, place: Place) -> Array:
    """Values that are written down, or lie in a file."""
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


def settle(planned: Plan, rules: Sequence[Rule], freeze: Sequence[str], key: str = "recipe") -> Plan:
    """The plan with the names of its parameters, and what a recipe says of each: the first rule that fits it.

    Raises:
        ParameterError, Mistakes: patterns that decide nothing.
    """
    planned = replace(planned, names=names_in_model(planned), rules=tuple(rules))
    if not rules and not freeze:
        return planned
    used: set[str] = set()
    rows: list[Row] = []
    for row in planned.rows:
        weights = [_settled(planned, row, weight, rules, freeze, used) for weight in row.weights]
        rows.append(replace(row, weights=tuple(weights)))
    wanted = [(f"init.{rule.pattern}", rule.pattern) for rule in rules]
    wanted += [(f"freeze[{index}]", pattern) for index, pattern in enumerate(freeze)]
    planned = replace(planned, rows=tuple(rows))
    useless = [_useless(planned, pattern, Place(key=f"{key}.{at}")) for at, pattern in wanted if at not in used]
    raise_all([*useless, *_of_other_shapes(planned)])
    return planned


def _of_other_shapes(planned: Plan) -> Iterator[AssemblerError]:
    """Stored values that are not of the shape of the parameter that they are for."""
    for name, _, weight in planned.weights():
        rule = weight.rule
        if rule is not None and rule.shape not in (None, weight.shape):
            said = f"{name} has shape {print_value(weight.shape)}, and the values {print_value(rule.shape)}"
            yield ParameterError(said, rule.place)
        elif rule is not None and rule.is_complex and not weight.dtype.startswith("complex"):
            yield ParameterError(f"the values are complex, and {name} is {weight.dtype}", rule.place)


def _settled(
    planned: Plan, row: Row, weight: Weight, rules: Sequence[Rule], freeze: Sequence[str], used: set[str]
) -> Weight:
    """One parameter with what is said of it; the patterns that say so are noted."""
    words = aliases(planned, row, weight)
    rule = next((rule for rule in rules if _fits(rule.pattern, words)), None)
    if rule is not None:
        used.add(f"init.{rule.pattern}")
    fits = [index for index, pattern in enumerate(freeze) if weight.requires_grad and _fits(pattern, words)]
    used.update(f"freeze[{index}]" for index in fits)
    return replace(weight, rule=rule, frozen=bool(fits))


def _fits(pattern: str, words: Iterable[str]) -> bool:
    return any(fnmatchcase(word, pattern) for word in words)


def aliases(planned: Plan, row: Row, weight: Weight) -> tuple[str, ...]:
    """What a pattern may call a parameter."""
    name = row.full_name(weight)
    own = weight.name.rpartition(".")[2]
    of_layer = dict.fromkeys((row.layer, row.layer.rpartition(".")[2]))  # with its scope, and without
    return (planned.names.get(name, name), *(f"{layer}.{weight.name}" for layer in of_layer), f"{weight.owner}.{own}")


def _useless(planned: Plan, pattern: str, place: Place) -> AssemblerError:
    """Why a pattern decides nothing."""
    everything = [(weight, aliases(planned, row, weight)) for row in planned.rows for weight in row.weights]
    fitting = [weight for weight, words in everything if _fits(pattern, words)]
    if fitting and ".freeze" in place.key:
        return ParameterError(f"{pattern!r} matches only parameters that training does not change anyway", place)
    if fitting:
        rule = next(weight.rule for weight in fitting if weight.rule is not None)
        said = f"every parameter that {pattern!r} matches is set by a rule before it, such as {rule.pattern!r}"
        return ParameterError(said, place)
    names = dict.fromkeys(word for _, words in everything for word in words)
    if any(word.startswith(f"{pattern}.") for word in names):
        return ParameterError(f"{pattern!r} matches no parameter. Did you mean '{pattern}.*'?", place)
    close = closest(pattern, names)
    instead = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"There are {_some(list(names))}."
    return ParameterError(f"{pattern!r} matches no parameter. {instead}", place)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "none at all"


def names_in_model(planned: Plan) -> dict[str, str]:
    """Name by the place → name in the model, where these differ: of shared parts.

    MindSpore names a parameter anew in every slot that its Cell is put in. What comes of it is looked up in the model,
    made without storage.
    """
    if not any(step.shared for step in walk(planned.steps)):
        return {}
    with mindspore.DeviceCtx("meta"), device.untouched_generators():
        model = build_steps(planned.steps)
    return {place: one.name for place, one in model.parameters_and_names() if place != one.name}


@dataclass(frozen=True)
class Observed:
    """A parameter as a run leaves it.

    Args:
        name: in the model.
        row: its layer.
        weight: what the plan knows of it.
        set_by: the rule of its values, or the file that they were loaded from; empty if they are the layer's own.
        mean, std, least, most: of its values; None of a plan, which has none.
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
    """Every parameter of a plan, with the statistics of its values if there is a model.

    Args:
        loaded: the names of those that came from ``file``.
    """
    values = {} if model is None else {one.name: device.as_array(one) for one in model.get_parameters()}
    found: list[Observed] = []
    for name, row, weight in planned.weights():
        set_by = str(file) if name in loaded else str(weight.rule or "")
        found.append(Observed(name, row, weight, set_by, *(_statistics(values[name]) if name in values else ())))
    return found


_BLOCK = 1 << 18
"""Numbers that are looked at together: they stay in the processor's cache."""


def _statistics(array: Array) -> tuple[float, ...]:
    """Mean, standard deviation, minimum and maximum, in float64."""
    flat = np.abs(array).reshape(-1) if array.dtype.kind == "c" else array.reshape(-1)
    blocks = [flat[at : at + _BLOCK] for at in range(0, flat.size, _BLOCK)]
    mean = sum(float(block.sum(dtype=np.float64)) for block in blocks) / max(flat.size, 1)
    apart = (np.subtract(block, mean, dtype=np.float64) for block in blocks)
    squares = sum(float(np.dot(block, block)) for block in apart)
    return mean, math.sqrt(squares / max(flat.size, 1)), float(flat.min()), float(flat.max())
