"""Plain Cells, one a file, usable by hand.

They import MindSpore and NumPy and nothing of the assembler. Beside each Cell stands ``reference``: the same
mathematics in NumPy, which the ``reference`` check and the tests compare the Cell with.
"""
