"""``limited()``: limits of time and memory for planning untrusted recipes; see ``assembler.planning.limits``."""

from assembler.planning.limits import limited

__all__ = ["limited"]
