"""What MindSpore's exceptions mean. All wording of MindSpore's that decides anything is here, as of version 2.10.0.

``tests/test_messages.py`` has the messages themselves.
"""

from __future__ import annotations

import re

NO_META_KERNEL = "Not implement exception"
"""How MindSpore begins when the meta device lacks an operator."""

_NO_KERNEL = ("unregistered", "Unsupported op [", "Not found op", "Kernel select failed")

# On the meta device some operators emit None instead of raising, and the next operator complains of that.
_NO_META_KERNEL = (
    NO_META_KERNEL,
    "NoneType",
    "(None)",
    "=None",
    "Not support copy between src:meta",
    "on device meta",
    "not support meta device",
)

_NO_MEMORY = ("llocate memory failed", "llocate output memory failed")


def without_stack(error: BaseException) -> str:
    """All that an exception says, without MindSpore's C++ call stack."""
    return re.split(r"\n-{20,}\n", str(error))[0].strip() or _first_said(error)


def _first_said(error: BaseException) -> str:
    """The first line that is neither a rule nor a heading: ``Unsupported op [Einsum] on CPU, …``."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line and not line.startswith("-")), "")


def reason(error: BaseException) -> str:
    """What an exception says, without MindSpore's headings and C++ call stack."""
    said = _first_said(error)
    if isinstance(error, TypeError | ValueError) and said:
        return said
    return said if said.startswith(type(error).__name__) else f"{type(error).__name__}: {said}"


def lacks_kernel(error: BaseException) -> bool:
    """Whether MindSpore says that the device has no kernel for an operator."""
    return any(words in str(error) for words in _NO_KERNEL)


def lacks_meta_kernel(error: BaseException) -> bool:
    """Whether the meta device failed for want of an operator, as far as MindSpore's messages show it."""
    return any(words in str(error) for words in _NO_META_KERNEL)


def meta_lacks(error: BaseException) -> str:
    """What the meta device lacked: ``the operator NonZero``, or ``values for Tensor.asnumpy``; else ``an operator``."""
    said = str(error)
    if operator := re.search(r"Not found op (\w+)", said):
        return f"the operator {operator[1]}"
    if reader := re.search(rf"{NO_META_KERNEL}: (.+) needs the values of a tensor", said):
        return f"values for {reader[1]}"
    return "an operator"


def lacks_memory(error: BaseException) -> bool:
    """Whether an exception of NumPy or MindSpore says that there is no memory left."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def refused_line(error: BaseException, file: str) -> int | None:
    """The line of a source file that the graph compiler complains of; None if it names none.

    Of the calls that it lists, the innermost comes last.
    """
    told = re.findall(r"(# \d+ )?In file (.+?):(\d+)", str(error))
    calls = [int(line) for frame, name, line in told if frame and name == file]
    return next(iter(calls[-1:] + [int(line) for _, name, line in told if name == file]), None)


def refused_syntax(error: BaseException) -> str | None:
    """The kind of Python's syntax that the graph compiler lacks, such as ``With``; None if it complains of another."""
    match = re.search(r"Unsupported (?:expression|statement) '(\w+)'", str(error))
    return match[1] if match else None


def operator_without_onnx(error: BaseException) -> str | None:
    """The operator that MindSpore's exporter cannot write as ONNX; None if it complains of something else."""
    match = re.search(r"Can not find key (\w+) in convert map", str(error))
    return match[1] if match else None
