"""Plain Cells, one per file, usable without the assembler.

They import only MindSpore and NumPy. Each file also defines ``reference``, the same mathematics in NumPy, which the
``reference`` check and the tests compare the Cell with.
"""
