"""The layers of this project: plain Cells, one a file, each with its mathematics in NumPy beside it."""
