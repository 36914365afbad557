"""The commands of ``assembler``, one file each. They import MindSpore only when they need it."""
