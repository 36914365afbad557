"""The commands of ``python -m assembler``, one file each. They import MindSpore only when they need it."""
