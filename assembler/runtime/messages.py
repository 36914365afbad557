"""What MindSpore's exceptions mean."""

from __future__ import annotations

import re


def without_stack(error: BaseException) -> str:
    """All that an exception says, without MindSpore's C++ call stack."""
    return re.split(r"\n-{20,}\n", str(error))[0].strip()


def reason(error: BaseException) -> str:
    """What an exception says, without MindSpore's headings and C++ call stack."""
    lines = (line.strip() for line in str(error).splitlines())
    said = next((line for line in lines if line and not line.startswith("-")), "")
    if isinstance(error, TypeError | ValueError) and said:
        return said
    return said if said.startswith(type(error).__name__) else f"{type(error).__name__}: {said}"


def lacks_kernel(error: BaseException) -> bool:
    """Whether MindSpore says that the device has no kernel for an operator."""
    return any(
        words in str(error) for words in ("unregistered", "Unsupported op [", "Not found op", "Kernel select failed")
    )


def lacks_meta_kernel(error: BaseException) -> bool:
    """Whether the meta device failed for want of an operator, as far as MindSpore's messages tell.

    It emits None where it cannot tell a shape, so that the next operator complains of that.
    """
    said = ("Not implement exception", "NoneType", "(None)", "=None", "Not support copy between src:meta")
    return any(words in str(error) for words in said)


def lacks_memory(error: BaseException) -> bool:
    """Whether an exception of NumPy or MindSpore says that there is no memory left."""
    said = str(error)
    return isinstance(error, MemoryError) or "llocate memory failed" in said or "llocate output memory failed" in said
