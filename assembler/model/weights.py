"""Save a model's parameters to a file, and load them from one.

A ``.safetensors`` file (https://huggingface.co/docs/safetensors) contains tensors, and in its metadata the recipe and
the versions that it was made with. A ``.ckpt`` is MindSpore's own format; its entries contain the same as strings.
Files are exchangeable with plain MindSpore. Neither format contains code. PyTorch reads its own files, in its mode
without code.

Files with the names of other frameworks are matched by their structure: see ``assembler.model.naming``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mindspore import Parameter, Tensor, nn
from safetensors import SafetensorError

from assembler.errors import ParameterError, Place
from assembler.files import replacing
from assembler.language.recipe import print_value
from assembler.model import naming
from assembler.model.hints import hint_for_heads, hint_for_name
from assembler.model.inputs import Array
from assembler.model.naming import Assignment, Targets
from assembler.model.renaming import Renamed, Rules, renamed
from assembler.model.stored import ArraySpec, ParameterFile, checkpoints, open_file, safetensors_files
from assembler.model.stored.opened import reason_of
from assembler.planning.plan import Plan
from assembler.settings import WEIGHT_FILES, Names, parameter_format

MAX_TOLD = 20
"""At most this many parameters that do not fit are listed; further ones are counted."""


@dataclass(frozen=True)
class Stored:
    """The content of a file.

    Args:
        arrays: the values by name.
        about: metadata from when it was saved: ``recipe``, ``versions``; empty for files from elsewhere.
    """

    arrays: Mapping[str, Array]
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """The result of loading.

    Args:
        names: the parameters that were set.
        missing: parameters that the file does not have.
        extra: arrays of the file that the model does not have.
        mapping: from the names in the file; None if they are the model's.
        shapes: name in the file → shape, of what was used.
        computed: counters and indices that PyTorch stores beside parameters, by their names in the file.
    """

    names: tuple[str, ...]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    mapping: naming.NameMapping | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    computed: Mapping[str, Array] = field(default_factory=dict)


# ---- saving


def save(
    model: nn.Cell,
    path: Path,
    about: Mapping[str, str] | None = None,
    *,
    names: Names = "auto",
    loaded: Loaded | None = None,
) -> None:
    """Save all parameters of a model.

    The write is atomic: at any time, the path contains the complete old file or the complete new one. A link remains
    one, and the file that it leads to is written.

    Args:
        path: a ``.safetensors`` or ``.ckpt`` file, in an existing folder.
        about: strings to store with them, such as the recipe.
        names: ``torch``: as the file that was loaded; without one, the model's own with the roles of PyTorch, such as
            ``weight`` instead of ``gamma``. Otherwise the model's own.
        loaded: from which file the model was loaded.

    Raises:
        ParameterError: another suffix, two parameters with one name, or a file that cannot be written.
    """
    form = _format_of(path)
    parameters = _by_name(model.get_parameters())
    if names == "torch" and form == ".ckpt":
        raise ParameterError(f"{path}: a file with names of PyTorch must end in .safetensors")
    try:
        with replacing(path, follow=True) as new:
            if form == ".ckpt":
                checkpoints.write(parameters, new, about or {})
            elif names == "torch":
                arrays = {name: one.asnumpy() for name, one in parameters.items()}
                mapping, shapes, computed = (
                    (loaded.mapping, loaded.shapes, loaded.computed) if loaded else (None, {}, {})
                )
                arrays = naming.in_torch(arrays, naming.owners(model), mapping, shapes)
                safetensors_files.write({**arrays, **computed}, new, about or {}, form="pt")
            else:
                safetensors_files.write({name: one.asnumpy() for name, one in parameters.items()}, new, about or {})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ParameterError(f"{path} cannot be written: {reason_of(error)}") from None


def _format_of(path: Path) -> str:
    try:
        return parameter_format(path, WEIGHT_FILES)
    except ValueError as error:
        raise ParameterError(str(error)) from None


def _by_name(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for parameter in parameters:
        if parameter.name in found:
            said = f"two parameters are named {parameter.name}, and a file can store one; rename one of them"
            raise ParameterError(said)
        found[parameter.name] = parameter
    return found


# ---- loading


def read_file(path: Path) -> Stored:
    """The content of a parameter file.

    Raises:
        ParameterError: the file does not exist, has an unknown format, is truncated, or was changed.
    """
    with open_file(path) as file:
        file.verify()
        return Stored({name: file.read(name) for name in file.arrays}, file.about)


def load(
    model: nn.Cell,
    path: Path,
    *,
    rename: Rules | None = None,
    strict: bool = True,
    names: Names = "auto",
    planned: Plan | None = None,
    key: str = "",
) -> Loaded:
    """Load the parameters of a model from a file. On any error the model is unchanged.

    What the file promises is compared with the model, and its checksum with its values, before the first is set. They
    are read one array at a time.

    Args:
        path: a ``.safetensors``, ``.index.json`` or ``.ckpt`` file, or one of PyTorch.
        rename: names in the file → names in the model, for names that differ. ``*`` in both matches any characters;
            the first matching pattern applies; None skips the array. Or assignments, as a mapping file has them.
        strict: refuse a file with missing or additional parameters, or values of another dtype.
        names: ``mindspore``: those of the model; ``torch``: those of another framework, which are matched by their
            structure; ``auto``: matched if they are not those of the model.
        planned: the model's plan, whose blocks are matched, too.
        key: configuration key of the path, for messages.

    Raises:
        ParameterError, Mistakes: the file cannot be read, or does not fit; everything that does not fit is listed.
    """
    rules = Place(key=f"{key.rpartition('.')[0]}.rename" if key else "")
    parameters = _by_name(model.get_parameters())
    targets = naming.targets_of_model(model, planned)
    try:
        with open_file(path) as file:
            new = renamed(file.arrays, rename or {}, parameters, path, rules)
            mapping = _decided(targets, new, names, path)
            _require_fit(mapping, parameters, new, path, strict=strict)
            mapping = new.original(mapping)
            file.verify()  # after this, only a failing disk can stop it
            _require_equal(mapping, file, path)
            _set_all(mapping, parameters, file)
            shapes = {source: file.arrays[source].shape for one in mapping.assignments for source in one.sources}
            computed = {name: file.read(name) for name in mapping.skipped if naming.is_computed(name)}
    except ParameterError as error:
        error.place = error.place if error.place.key else Place(key=key)
        raise
    own = all(one.sources == (one.target,) and not str(one.transform) for one in mapping.assignments)
    set_names = {one.target for one in mapping.assignments}
    return Loaded(
        tuple(name for name in parameters if name in set_names),
        mapping.lacking,
        mapping.left,
        None if own else mapping,
        shapes,
        {} if own else computed,
    )


def _decided(targets: Targets, new: Renamed, names: Names, path: Path) -> naming.NameMapping:
    shapes = {name: spec.shape for name, spec in new.arrays.items()}
    try:
        return naming.decide(targets, shapes, names=names, given=new.given, equal=new.equal)
    except naming.Refused as error:
        raise ParameterError(f"{path} does not fit the model: {error}") from None


def _require_fit(
    mapping: naming.NameMapping, parameters: Mapping[str, Parameter], new: Renamed, path: Path, *, strict: bool
) -> None:
    """Everything that does not fit, in one error."""
    arrays = new.arrays
    order = {name: index for index, name in enumerate(parameters)}
    ordered = sorted(mapping.assignments, key=lambda one: order[one.target])
    shaped = {one: said for one in ordered if (said := _wrong_shape(one, arrays, parameters[one.target]))}
    fitting = [one for one in ordered if one not in shaped]
    typed = [_wrong_dtype(one, arrays, parameters[one.target], strict=strict) for one in fitting]
    mistakes = [*shaped.values(), *filter(None, typed)]
    if strict:
        mistakes += _unmatched(mapping, parameters, new)
    if mistakes:
        told = mistakes[:MAX_TOLD] + ([f"and {len(mistakes) - MAX_TOLD} more"] if len(mistakes) > MAX_TOLD else [])
        wrong, right = ([new.came[name] for one in some for name in one.sources] for some in (shaped, fitting))
        told += hint_for_heads(wrong, right, len(mapping.left) + len(mapping.lacking))
        told += [WAYS_OUT] if strict else []
        raise ParameterError(f"{path} does not fit the model:" + "".join(f"\n  {said}" for said in told))
    if not mapping.assignments:
        raise ParameterError(f"{path} has none of the model's parameters")


WAYS_OUT = "rename maps names in the file to names in the model; strict=false loads what both have, and converts dtypes"
"""Ways to load a file that does not fit."""


def _wrong_shape(one: Assignment, arrays: Mapping[str, ArraySpec], parameter: Parameter) -> str:
    """How the shape of an array differs from its parameter's; empty if it does not."""
    shape, shapes = tuple(parameter.shape), [arrays[name].shape for name in one.sources]
    found = one.transform.shape(shapes, shape)
    if found == shape:
        return ""
    name, model = _names(one)
    said = f"{name} is {' and '.join(map(print_value, shapes))} in the file"
    if how := str(one.transform):
        said += f", {print_value(found)} by {how!r}" if found is not None else f", which cannot be {how!r}"
    return f"{said}, and {print_value(shape)} in {model}"


def _wrong_dtype(one: Assignment, arrays: Mapping[str, ArraySpec], parameter: Parameter, *, strict: bool) -> str:
    """How the dtype differs; empty if it does not, or if it may be converted."""
    dtype, dtypes = str(parameter.dtype).lower(), [arrays[name].dtype for name in one.sources]
    others = [other for other in dtypes if other != dtype and (strict or other.startswith("complex"))]
    name, model = _names(one)
    return f"{name} is {others[0]} in the file, and {dtype} in {model}" if others else ""


def _names(one: Assignment) -> tuple[str, str]:
    """What the file has, and where it would be in the model, for a message."""
    source = " and ".join(one.sources)
    return source, "the model" if source == one.target else f"{one.target} of the model"


def _unmatched(mapping: naming.NameMapping, parameters: Mapping[str, Parameter], new: Renamed) -> Iterator[str]:
    """Parameters that the file lacks or a rule skips, and arrays that the model lacks, with likely typing errors."""
    lacking = {name: tuple(parameters[name].shape) for name in mapping.lacking}
    left = {name: new.arrays[name].shape for name in mapping.left}
    for name, shape in lacking.items():
        if name in new.skipped:
            yield f"{name} {print_value(shape)} is in the file, but weights.rename skips it"
            continue
        yield f"{name} {print_value(shape)} is not in the file" + hint_for_name(name, shape, left, "; it has {}")
    for name, shape in left.items():
        hint = hint_for_name(name, shape, lacking, "; did you mean {}?")
        yield f"{name} {print_value(shape)} is not in the model" + hint


def _require_equal(mapping: naming.NameMapping, file: ParameterFile, path: Path) -> None:
    """An array that is stored twice has the same values in both places."""
    for copy, used in mapping.equal:
        if not np.array_equal(file.read(copy), file.read(used)):
            raise ParameterError(
                f"{path} does not fit the model: {copy} differs from {used}, and the model has one table for both"
            )


def _set_all(mapping: naming.NameMapping, parameters: Mapping[str, Parameter], file: ParameterFile) -> None:
    """Set the parameters, and read each array once."""
    by_sources: dict[tuple[str, ...], list[Assignment]] = {}
    for one in mapping.assignments:
        by_sources.setdefault(one.sources, []).append(one)
    for sources, some in by_sources.items():
        arrays = [file.read(name) for name in sources]
        used: list[Array] = []
        for one in some:
            parameter = parameters[one.target]
            array = one.transform.apply(arrays, tuple(parameter.shape))
            if any(np.may_share_memory(array, other) for other in used):
                array = array.copy()  # a mapping file may give two parameters the same rows, and each is trained alone
            used.append(array)
            _set(parameter, array)


def _set(parameter: Parameter, array: Array) -> None:
    """Give a parameter an array's values; an array of its dtype becomes its memory, because nothing else uses it."""
    tensor = Tensor.from_numpy(array) if array.flags.writeable else Tensor(array)
    parameter.set_data(tensor if tensor.dtype == parameter.dtype else tensor.astype(parameter.dtype))
