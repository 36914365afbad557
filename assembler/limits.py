"""``limited()``: limits of time and memory for planning untrusted recipes; see ``assembler.runtime.limits``."""

from assembler.runtime.limits import limited

__all__ = ["limited"]
