"""``limited()``: limits of time and memory for untrusted recipes; see ``assembler.runtime.limits``."""

from assembler.runtime.limits import limited

__all__ = ["limited"]
