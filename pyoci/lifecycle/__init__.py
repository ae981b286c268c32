"""What each operation on a container does, told top-down: one module per operation.

The commands and the Python API both call these functions; they take values and return values,
never print and never read the command line.
"""
