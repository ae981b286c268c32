"""The names of the specification and the numbers of the kernel, as data."""
