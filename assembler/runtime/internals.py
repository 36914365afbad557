"""MindSpore's private names: what the assembler uses of them, under plain names.

No other module names them, and ``tests/test_floors.py`` holds that. Each docstring says what the private name does and
with which version of MindSpore that was checked; another version needs each of them checked anew.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

from mindspore import MsDispatchMode, Tensor, nn
from mindspore._c_expression import GraphExecutor_, MixedPrecisionType, MSContext
from mindspore.common.seed import _KERNEL_SEED
from mindspore.graph._utils import cell_attr_register as cell_constructors
from mindspore.graph.api import _pynative_executor
from mindspore.ops import primitive as operator_constructors
from mindspore.train.anf_ir_pb2 import DataType, ModelProto

__all__ = [
    "AMP_MODEL",
    "PRECOMPILE_ONLY",
    "OperatorWatch",
    "calls_of_random_operators",
    "compiled_graph",
    "dtype_in_graph",
    "is_built_for",
    "parameter_info",
    "restore_precision",
    "signatures_read_once",
    "wait_for_operators",
]

AMP_MODEL = "_backbone"
"""The attribute by which the Cells of ``mindspore.amp`` keep the model that they are put around. MindSpore 2.10.0."""

PRECOMPILE_ONLY = "MS_DEV_PRECOMPILE_ONLY"
"""The environment variable that ends compilation when shapes are known, before kernels. MindSpore 2.10.0."""


def is_built_for(target: str) -> bool:
    """Whether the installed wheel supports a target (Ascend, GPU, CPU). Prints nothing.

    MindSpore 2.10.0: the public ``is_available()`` tries to load the plug-in of every target and logs what is missing;
    ``MSContext.is_pkg_support_device`` looks it up.
    """
    return bool(MSContext.get_instance().is_pkg_support_device(target))


def wait_for_operators() -> None:
    """Wait for the operators that run asynchronously, so that their exceptions are raised here.

    MindSpore 2.10.0: the public ``runtime.synchronize()`` fails on the meta device; ``_pynative_executor.sync`` works.
    """
    _pynative_executor.sync()


def restore_precision(error: BaseException) -> None:
    """Undo the precisions of Cells with ``to_float`` that an exception passed through, each once.

    MindSpore 2.10.0: ``Cell._complex_call`` puts the Cell's precision on a stack before ``construct`` and takes it off
    behind, but not when ``construct`` raises: everything after would run in that precision. ``NOTSET`` takes one off;
    taking off what is not there crashes the process.
    """
    seen = vars(error).setdefault("_precisions_taken_off", set())
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == "_complex_call"]
    left = [frame for frame in frames if getattr(frame.f_locals.get("self"), "mixed_precision_type", None) is not None]
    new = [id(frame) for frame in left if id(frame) not in seen]
    seen.update(new)
    for _ in new:
        _pynative_executor.set_mixed_precision_type(MixedPrecisionType.NOTSET, False)


@contextmanager
def signatures_read_once() -> Iterator[None]:
    """Make layers faster inside: the signature of a constructor is read for its first call only.

    MindSpore 2.10.0: the decorators ``prim_attr_register`` and ``cell_attr_register`` call ``inspect.signature`` each
    time. A tenth of the time that it takes to make a layer is that. A second thread leaves all as the first has it.
    """
    if operator_constructors.inspect is not inspect:
        yield
        return
    modules = (cell_constructors, operator_constructors)
    before = [module.inspect for module in modules]
    once = SimpleNamespace(**{**vars(inspect), "signature": cache(inspect.signature)})
    for module in modules:
        module.inspect = once
    try:
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            module.inspect = own


def calls_of_random_operators() -> dict[Any, Any]:
    """The table in which operators such as ``ops.randn`` count their calls since ``set_seed``, to be read and changed.

    MindSpore 2.10.0: ``mindspore.common.seed._KERNEL_SEED``. ``get_rng_state`` does not include it.
    """
    return _KERNEL_SEED


def compiled_graph(cell: nn.Cell, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """Compile a Cell in Graph mode.

    MindSpore 2.10.0: ``init_parameters_data`` would look for values that a Cell on the meta device lacks, and
    ``GraphExecutor_`` gives the compiled graph in the form of mindspore/core/proto/anf_ir.proto.

    Args:
        cell: it is of no further use.
        inputs, named: what it is called with: tensors that have shape and dtype at least.

    Returns:
        The ``GraphProto``.

    Raises:
        Exception: whatever the compiler says.
    """
    object.__setattr__(cell, "init_parameters_data", lambda auto_parallel_mode=False: {})
    cell.compile(*inputs, **named)
    model = ModelProto()
    model.ParseFromString(GraphExecutor_.get_instance().get_func_graph_proto(cell.compile_phase, "anf_ir", False))
    return model.graph


def dtype_in_graph(elem_type: int) -> str:
    """The name of a compiled graph's number for a dtype: ``float32`` for ``DT_FLOAT32``. MindSpore 2.10.0."""
    return str(DataType.Name(elem_type)).removeprefix("DT_").lower()


class OperatorWatch(MsDispatchMode):
    """While it is entered, every operator that runs in PyNative mode is reported to ``ran``.

    MindSpore 2.10.0: ``MsDispatchMode`` is public but experimental. Operators that are classes come as one argument
    list ``[primitive, name, arguments]``, which is taken apart here; ``Einsum`` keeps its equation in the primitive.
    """

    def __ms_dispatch__(self, func: Any, args: Any, kwargs: Any = None) -> Any:
        """Run an operator, and report it."""
        name, arguments = func.name, args
        if len(args) == 3 and isinstance(args[1], str) and isinstance(args[2], tuple | list):
            primitive, name, arguments = args
            if name == "Einsum":
                arguments = [primitive.attrs["equation"], *arguments]
        output = self.run(name, arguments, func, args, kwargs or {})
        self.ran(name, arguments, output)
        return output

    def run(
        self,
        name: str,
        arguments: Sequence[Any],
        function: Callable[..., Any],
        given: Sequence[Any],
        named: Mapping[str, Any],
    ) -> Any:
        """Run an operator.

        Args:
            name, arguments: as ``ran`` takes them.
            function: runs it for ``given`` and ``named``, the same arguments in MindSpore's own form.
        """
        return function(*given, **named)

    def ran(self, name: str, arguments: Sequence[Any], output: Any) -> None:
        """An operator ran.

        Args:
            name: its own, such as ``MatMul``.
            arguments: what it was called with.
            output: what it emits.
        """
        raise NotImplementedError


def parameter_info(tensor: Tensor) -> Any:
    """What MindSpore keeps of a parameter beside its values, one object for each parameter; None of other tensors.

    MindSpore 2.10.0: ``param_info``. Operators get a parameter as another Python object of the same ``param_info``.
    """
    return tensor.param_info
