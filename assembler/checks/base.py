"""What a check is, what it may request, and how a run's checks are run.

Checks are registered and their arguments read without MindSpore, which is imported when the first one runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, create_model

from assembler.errors import AssemblerError, Place, SettingsError, noted, raise_all
from assembler.model.subject import DoesNotApply, Outcome, Subject
from assembler.registry.entries import reference_at, resolve
from assembler.runtime import exits
from assembler.settings import CheckSettings
from assembler.validation import read
from assembler.words import suggestion

if TYPE_CHECKING:
    from assembler.planning.plan import Plan

Function: TypeAlias = Callable[..., Outcome]
"""A check as written."""


@dataclass(frozen=True)
class Check:
    """A check as registered: a function, its arguments in YAML, and the memory that it needs.

    Args:
        name: its name in a recipe.
        asks: which of ``GIVEN`` are its parameters.
        settings: the arguments from YAML.
        copies: as in :func:`check`.
        keeps_activations: as in :func:`check`.
    """

    name: str
    function: Callable[..., Outcome]
    asks: tuple[str, ...]
    settings: type[BaseModel]
    copies: int = 0
    keeps_activations: bool = False

    def memory(self, planned: Plan) -> int:
        """Bytes that the check needs besides the model, as declared."""
        activations = sum(row.memory for row in planned.rows) if self.keeps_activations else 0
        return self.copies * planned.parameter_memory + activations

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]


GIVEN = ("subject", "model", "planned", "input_array", "output", "outputs")
"""The attributes of :class:`Subject` that a check may name as parameters."""

CHECKS: dict[str, Check] = {}
"""Every check by name."""


@overload
def check(function: Function, /) -> Function: ...


@overload
def check(*, copies: int = 0, keeps_activations: bool = False) -> Callable[[Function], Function]: ...


def check(
    function: Function | None = None, /, *, copies: int = 0, keeps_activations: bool = False
) -> Function | Callable[[Function], Function]:
    """Register a function as a check under its own name.

    Outside the assembler, a check is named with its module: ``my_project.checks.small``. Parameters in ``GIVEN`` are
    attributes of the :class:`Subject`; the others are arguments from YAML, validated against their annotations.

    The decorator is written ``@check``, or with the memory that the check needs, which the guard counts before a model
    is built::

        @check(copies=5, keeps_activations=True)
        def learns(subject: Subject, steps: int = 20) -> Outcome: ...

    Args:
        copies: the memory that it needs besides the model, as a multiple of all parameters' bytes: 1 for a copy of the
            model, 1 for gradients, 2 for the state of Adam.
        keeps_activations: whether it keeps every layer's output, as gradients do.

    Raises:
        SettingsError: the name is registered already, or an argument has no type.
    """
    if function is None:
        return partial(_register, copies=copies, keeps_activations=keeps_activations)
    return _register(function, copies, keeps_activations)


def _register(function: Function, copies: int, keeps_activations: bool) -> Function:
    name, is_built_in = function.__name__, function.__module__.partition(".")[0] == "assembler"
    if not is_built_in:
        name = f"{function.__module__}.{name}"  # the same module may be imported anew
    elif name in CHECKS:
        raise SettingsError(f"a check named {name!r} is registered already")
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    asks = tuple(word for word in parameters if word in GIVEN)
    if untyped := [word for word in parameters if word not in (*asks, *hints)]:
        raise SettingsError(
            f"the check {name} needs a type for its argument {untyped[0]!r}, such as {untyped[0]}: float"
        )
    fields: dict[str, Any] = {
        word: (hints[word], ... if parameter.default is inspect.Parameter.empty else parameter.default)
        for word, parameter in parameters.items()
        if word not in asks
    }
    settings = create_model(function.__name__, __config__=_STRICT, **fields)
    CHECKS[name] = Check(name, function, asks, settings, copies, keeps_activations)
    return function


_STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True)
class Prepared:
    """A check with its arguments validated, and their configuration key."""

    check: Check
    settings: BaseModel
    key: str


Wanted: TypeAlias = tuple[str, Mapping[str, Any] | None, str]
"""A check's name, its arguments, and their configuration key."""


def wanted_checks(own: Mapping[str, Mapping[str, Any] | None], group: CheckSettings) -> list[Wanted]:
    """The checks of the group and then the recipe's own, each with its arguments and their key.

    If both name a check, it runs once, with the recipe's arguments; it runs twice if the group has arguments as well.

    Args:
        own: the recipe's checks, by name.
    """
    own = dict(own) if group.own else {}
    found: list[Wanted] = []
    for name, arguments in group.run.items():
        if name in own and not arguments:
            found.append((name, own.pop(name), f"recipe.checks.{name}"))
        else:
            found.append((name, arguments, f"checks.run.{name}"))
    return [*found, *((name, arguments, f"recipe.checks.{name}") for name, arguments in own.items())]


def prepare(wanted: Iterable[Wanted], trusted: Iterable[str] = ()) -> list[Prepared]:
    """Look checks up and validate their arguments.

    Args:
        trusted: packages whose checks may be used, such as ``my_project.checks.small``.

    Raises:
        SettingsError, BadTarget, Mistakes: unknown checks and arguments.
    """
    prepared: list[Prepared] = []
    mistakes: list[AssemblerError] = []
    for name, arguments, key in wanted:
        with noted(mistakes):
            found = _find(name, tuple(trusted), Place(key=key))
            settings = read(found.settings, dict(arguments or {}), key)
            prepared.append(Prepared(found, settings, key))
    raise_all(mistakes)
    return prepared


def require_references(wanted: Iterable[Wanted], trusted: Iterable[str]) -> None:
    """Look up the functions that checks use as references, before anything is built.

    Raises:
        BadTarget, Mistakes: they cannot be imported, or are not defined in a trusted package.
    """
    mistakes: list[AssemblerError] = []
    for name, arguments, key in wanted:
        function = (arguments or {}).get("function") if name == "reference" else None
        if isinstance(function, str):
            with noted(mistakes):
                reference_at(function, trusted, Place(key=f"{key}.function"))
    raise_all(mistakes)


def _find(name: str, trusted: tuple[str, ...], place: Place) -> Check:
    """The check of a name; for one with dots, its module is imported if it is trusted."""
    if name not in CHECKS and "." in name:
        function = resolve(name, trusted, place)  # importing its module registers it
        home = f"{function.__module__}.{getattr(function, '__name__', '')}"
        if home not in CHECKS:
            raise SettingsError(f"{name} is not a check; its function needs the decorator @check", place)
        return CHECKS[home]
    if name not in CHECKS:
        instead = suggestion(name, CHECKS) or f" There are: {', '.join(sorted(CHECKS))}."
        raise SettingsError(f"no check named {name!r}.{instead}", place)
    return CHECKS[name]


def run(prepared: Iterable[Prepared], subject: Subject) -> Iterator[Outcome]:
    """Run all checks, one after the other. One that raises has failed; the others still run.

    Raises:
        AssemblerError: an argument of a check is wrong, such as a function that does not exist.
    """
    for one in prepared:
        yield _run(one, subject)


def _run(one: Prepared, subject: Subject) -> Outcome:
    import numpy as np

    from assembler.runtime.messages import reason

    given = {name: getattr(one.settings, name) for name in type(one.settings).model_fields}
    try:
        with exits.refused(), np.errstate(all="ignore"):  # its outcome says what is not finite
            answer = one.check.function(**{name: getattr(subject, name) for name in one.check.asks}, **given)
        if not isinstance(answer, Outcome):
            raise TypeError(f"the check returned {type(answer).__name__}, not an Outcome")
        return replace(answer, name=one.check.name)
    except DoesNotApply as why:
        of_group = one.key.startswith("checks.")
        return Outcome(one.check.name, of_group, None, None, str(why), applies=not of_group)
    except AssemblerError as mistake:
        mistake.place = mistake.place if mistake.place.key else Place(key=one.key)
        raise
    except Exception as error:
        return Outcome(one.check.name, False, None, None, f"raised {reason(error)}")
