"""What MindSpore 2.10 says, as it says it here, and what is made of that."""

import inspect
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, mint, nn, ops

from assembler.model.formats import Order, why, write_onnx
from assembler.runtime import device
from assembler.runtime.messages import (
    lacks_kernel,
    lacks_memory,
    lacks_meta_kernel,
    operator_without_onnx,
    reason,
    refused_line,
    refused_syntax,
    without_stack,
)

IMAGE = (2, 3, 8, 8)


def ones():
    return Tensor(np.ones(IMAGE, np.float32))


def on_cpu(call):
    return lambda: call(ones()).asnumpy()


def on_meta(call):
    def run():
        with mindspore.DeviceCtx("meta"):
            call(mint.empty(IMAGE, dtype=mindspore.float32))

    return run


def in_graph_mode(cell):
    def run():
        with device.mode("graph"), device.contained():
            cell()(ones())

    return run


class Deletes(nn.Cell):
    def construct(self, x):
        del x
        return 1


class Reshapes(nn.Cell):
    def construct(self, x):
        y = x + 1
        return ops.reshape(y, (7, -1))


class Around(nn.Cell):
    def __init__(self):
        super().__init__()
        self.inner = Reshapes()

    def construct(self, x):
        return self.inner(x)


def message_of(call):
    with pytest.raises(Exception) as error:  # noqa: PT011 - the tests below say what it is
        call()
    return error.value


MEANINGS = {"kernel": lacks_kernel, "meta kernel": lacks_meta_kernel, "memory": lacks_memory}

UNSUPPORTED = (
    "RuntimeError: Unsupported op [{}] on CPU, Please confirm whether the device target setting is correct, or refer "
    "to 'mindspore.ops' at https://www.mindspore.cn to query the operator support list."
)

RAISED = [
    (on_cpu(ops.Roll(1, 0)), "RuntimeError: The kernel Roll unregistered.", {"kernel"}),
    (on_cpu(lambda x: ops.einsum("nchw->nc", x)), UNSUPPORTED.format("Einsum"), {"kernel"}),
    (in_graph_mode(lambda: mint.nn.Conv2d(3, 4, 3)), UNSUPPORTED.format("Conv2DExt"), {"kernel"}),
    (on_meta(mint.nn.MaxPool2d(2)), "RuntimeError: Not implement exception", {"meta kernel"}),
    (on_meta(ops.nonzero), "RuntimeError: Not found op NonZero on device meta", {"kernel", "meta kernel"}),
    (
        on_meta(lambda x: x.asnumpy()),
        "RuntimeError: Not support copy between src:meta and dst:CPU",
        {"meta kernel"},
    ),
    (
        on_meta(lambda x: ops.relu(x.sum(axis=1))),
        'Failed calling ReLU with "ReLU()(input=None)".',
        {"meta kernel"},
    ),
    (
        on_meta(lambda x: x.sum(axis=1).view(-1)),
        "AttributeError: 'NoneType' object has no attribute 'view'",
        {"meta kernel"},
    ),
    (lambda: ops.ones((2**20, 2**20)).asnumpy(), "RuntimeError: Allocate memory failed", {"memory"}),
    (
        lambda: np.ones(2**50),
        "MemoryError: Unable to allocate 8.00 PiB for an array with shape (1125899906842624,) and data type float64",
        {"memory"},
    ),
    (
        on_cpu(lambda x: nn.Dense(7, 4)(x)),
        "For 'MatMul' the input dimensions must be equal, but got 'x1_col': 8 and 'x2_row': 7.",
        set(),
    ),
    (
        on_cpu(lambda x: ops.gather(Tensor([1.0, 2.0]), Tensor([100]), 0)),
        "RuntimeError: For 'Gather', the 'input_indices' should be in the range [0, 2), but got 100, error_code[58]",
        set(),
    ),
]


@pytest.mark.parametrize(("call", "said", "meanings"), RAISED, ids=[said for _, said, _ in RAISED])
def test_what_is_raised_means(call, said, meanings):
    error = message_of(call)
    assert reason(error) == said
    assert {name for name, holds in MEANINGS.items() if holds(error)} == meanings


STACK = "-" * 52
RECORDED = f"""
{STACK}
- Kernel select failed:
{STACK}
Unsupported op [Einsum] on CPU
node: @pynative_kernel_graph4000000001:CNode_7

{STACK}
- C++ Call Stack: (For framework developers)
{STACK}
mindspore/ccsrc/plugin/cpu/cpu_device_context.cc:469 SetOperatorInfo
"""


def test_the_stack_is_left_out():
    said = message_of(on_cpu(ops.Roll(1, 0)))
    assert without_stack(said) == "The kernel Roll unregistered."
    assert STACK in str(said)


def test_a_message_that_begins_with_a_rule_has_its_first_sentence():
    rule = "-" * 52
    said = RuntimeError(
        f"\n{rule}\n- Kernel select failed:\n{rule}\nUnsupported op [Einsum] on CPU, Please confirm\nnode: x\n\n"
        f"{rule}\n- C++ Call Stack: (For framework developers)\n{rule}\nsomewhere.cc:469\n"
    )
    assert without_stack(said) == "Unsupported op [Einsum] on CPU, Please confirm"


def test_headings_are_left_out():
    assert reason(RuntimeError(RECORDED)) == "RuntimeError: Unsupported op [Einsum] on CPU"
    assert lacks_kernel(RuntimeError(RECORDED))


def test_memory_of_an_older_kernel():
    assert lacks_memory(RuntimeError("Allocate output memory failed, alloc node: Tile alloc size: 4398046511104B"))


def test_an_empty_message_is_the_class():
    assert (reason(ValueError()), reason(RuntimeError("RuntimeError: twice"))) == (
        "ValueError: ",
        "RuntimeError: twice",
    )


def test_the_line_that_graph_mode_refuses():
    error = message_of(in_graph_mode(Around))
    lines, first = inspect.getsourcelines(Reshapes)
    assert "reshape" in lines[refused_line(error, __file__) - first]
    assert refused_line(error, "elsewhere.py") is None
    assert refused_syntax(error) is None


def test_the_syntax_that_graph_mode_refuses():
    error = message_of(in_graph_mode(Deletes))
    assert refused_syntax(error) == "Delete"
    assert refused_line(error, __file__) == inspect.getsourcelines(Deletes)[1] + 1


def test_the_operator_that_onnx_lacks(tmp_path):
    order = Order((ones(),), ("x",), None)
    error = message_of(lambda: write_onnx(nn.AdaptiveAvgPool2d(1), order, tmp_path / "x.onnx"))
    assert operator_without_onnx(error) == "AdaptiveAvgPool2D"
    assert why(error, Path("x.onnx")).startswith("MindSpore's exporter does not know the operator AdaptiveAvgPool2D;")
    assert operator_without_onnx(ValueError("other")) is None
