"""The PyTorch module: made by the person's function, given random weights, saved, and watched in one call."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from assembler.errors import NOWHERE, AssemblerError, BadTarget, LayerFault, SettingsError
from assembler.model.inputs import Array
from assembler.model.parity.arguments import by_position, shown
from assembler.model.parity.calls import Call
from assembler.model.parity.kept import Store
from assembler.model.parity.paths import modules_by_path
from assembler.registry.entries import import_module
from assembler.words import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn


def require_torch() -> None:
    """Import torch.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        import torch as torch
    except ImportError as error:
        said = f"compare-torch needs torch, which cannot be imported ({error}); pip install 'assembler[torch]'"
        raise SettingsError(said) from None


def make_module(said: str, home: Path) -> nn.Module:
    """Call a function that returns a PyTorch module, and set it to inference in float32.

    Args:
        said: ``my_project.reference:make``, or ``reference.py:make``. It is imported, so it runs code.
        home: the folder in which modules are searched after those that are installed.

    Raises:
        SettingsError: it has another form, or returns something else.
        BadTarget: it does not import, or has no such function.
        LayerFault: the function raised.
    """
    from torch import nn

    where, _, name = said.rpartition(":")
    if not where or not name.isidentifier():
        raise SettingsError(f"{said!r} is not of the form my_project.reference:make or reference.py:make")
    module = _import_file(Path(where)) if where.endswith(".py") else _import_named(where, home)
    function = getattr(module, name, None)
    if not callable(function):
        raise BadTarget(f"{where} has no function {name!r}.{suggestion(name, vars(module))}", NOWHERE)
    with _blamed(f"{said} raised"):
        made = function()
    if not isinstance(made, nn.Module):
        raise SettingsError(f"{said} returned a {type(made).__name__}; it must return a torch.nn.Module")
    with _blamed(f"the module of {said} cannot be set to inference in float32:"):
        return made.float().eval()


def _import_named(name: str, home: Path) -> ModuleType:
    if str(home) not in sys.path:
        sys.path.append(str(home))
    return import_module(name, NOWHERE)


def _import_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise SettingsError(f"there is no file {file}")
    name = f"compared_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    if (folder := str(file.parent.absolute())) not in sys.path:
        sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise BadTarget(f"cannot import {file}: {type(error).__name__}: {error}", NOWHERE) from error
    return module


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    """Raise what the person's code raises as an error of one line."""
    try:
        yield
    except AssemblerError:
        raise
    except (Exception, SystemExit) as error:
        raise LayerFault(f"{what} {type(error).__name__}: {error}") from error


def randomize(module: nn.Module, seed: int) -> None:
    """Give a module random weights at which every layer and every epsilon counts.

    Statistics of BatchNorm are as after training. Some variances are small, where an epsilon is seen; the weight beside
    one is as small as its root, so that outputs are not large.

    Raises:
        LayerFault: a parameter has no values yet, as in a LazyLinear.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    stacked = set(map(id, _stacked(module)))
    with torch.no_grad(), _blamed("the PyTorch module cannot be given random weights:"):
        for parameter in module.parameters():
            if parameter.ndim < 2:
                parameter.normal_(0.5, 0.3, generator=generator)
            else:
                count = parameter.shape[-1] if id(parameter) in stacked else parameter[0].numel()
                parameter.normal_(0, (2 / count) ** 0.5, generator=generator)
        for part in module.modules():
            if isinstance(variance := getattr(part, "running_var", None), torch.Tensor):
                variance.copy_(10 ** torch.empty_like(variance).uniform_(-3, 0, generator=generator))
                part.running_mean.normal_(0.5, 0.3, generator=generator)
                if part.weight is not None:
                    part.weight.mul_(variance.sqrt())


def _stacked(module: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters that are several matrices, such as all experts: each matrix is as large as one alone."""
    from torch import nn

    for part in module.modules():
        if not isinstance(part, nn.Conv1d | nn.ConvTranspose1d):
            yield from (parameter for parameter in part.parameters(recurse=False) if parameter.ndim == 3)


def save_module(module: nn.Module, folder: Path) -> Path:
    """Save the state of a module as safetensors; one of transformers as its files are, with experts apart.

    Returns:
        The file, or the index of several.

    Raises:
        LayerFault: it has no state of plain tensors.
    """
    from safetensors.torch import save_file

    with _blamed("the state of the PyTorch module cannot be saved:"):
        if hasattr(module, "save_pretrained"):
            with redirect_stderr(io.StringIO()):  # its progress bar
                module.save_pretrained(folder)
            if saved := [*folder.glob("model.safetensors.index.json"), *folder.glob("model.safetensors")]:
                return saved[0]
        file = folder / "state.safetensors"
        save_file(dict(_apart(module.state_dict())), file)
        return file


def _apart(state: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors that share no memory, as safetensors requires it."""
    used: set[int] = set()
    for name, tensor in state.items():
        one = tensor.detach().contiguous()
        memory = one.untyped_storage().data_ptr()
        yield name, one.clone() if memory in used else one
        used.add(memory)


def call_module(
    module: nn.Module, inputs: Sequence[Array], watched: Collection[str], names: Sequence[str] = ()
) -> tuple[list[Call], tuple[Array, ...]]:
    """Call a module without gradients.

    Args:
        inputs: the recipe's sample; integers become int64.
        watched: paths of modules whose calls are recorded.
        names: the argument that each input is; none if they are the first ones.

    Returns:
        The calls in the order of their ends, and the module's outputs.

    Raises:
        LayerFault: it raised, or returned no tensor.
    """
    import torch

    calls: list[Call] = []
    entered: list[tuple[Array, ...]] = []
    store = Store()
    paths = modules_by_path(module)

    def watch(path: str) -> list[Any]:
        def enter(_: Any, args: Any, kwargs: Any) -> None:
            entered.append(_arrays([args, kwargs]))  # copied: what follows may work in place

        def leave(_: Any, args: Any, kwargs: Any, output: Any) -> None:
            calls.append(Call(path, store.keep(entered.pop()), store.keep(_arrays(output))))

        return [
            paths[path].register_forward_pre_hook(enter, with_kwargs=True),
            paths[path].register_forward_hook(leave, with_kwargs=True),
        ]

    with _blamed("the PyTorch module cannot be watched, as a scripted one:"):
        handles = [handle for path in watched for handle in watch(path)]
    given = [torch.from_numpy(one.copy() if one.dtype.kind == "f" else one.astype(np.int64)) for one in inputs]
    taken = names or by_position(module, len(given))
    hint = " (--inputs names others)" if taken and not names else ""
    refused = f"the PyTorch module does not accept {shown(given, taken)}{hint}:"
    try:
        with torch.no_grad(), _layers_one_by_one(), _blamed(refused):
            returned = module(**dict(zip(names, given, strict=True))) if names else module(*given)
    finally:
        for handle in handles:
            handle.remove()
    if not (outputs := _arrays(returned)):
        raise LayerFault(f"the PyTorch module returns {type(returned).__name__}, which has no tensors")
    return calls, outputs


@contextmanager
def _layers_one_by_one() -> Iterator[None]:
    """Let a TransformerEncoderLayer call its layers, and no kernel that does the work of all of them."""
    from torch.backends import mha

    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(before)


def _arrays(value: Any) -> tuple[Array, ...]:
    """The tensors in nested tuples, mappings and dataclasses, as copies in NumPy."""
    import torch

    if isinstance(value, torch.Tensor):
        tensor = value.detach()
        return ((tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy().copy(),)
    if is_dataclass(value) and not isinstance(value, Mapping | type):
        value = vars(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    return tuple(one for item in value for one in _arrays(item)) if isinstance(value, list | tuple) else ()
