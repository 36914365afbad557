"""The commands of ``python -m assembler``, one file each. None imports MindSpore before it needs it."""
