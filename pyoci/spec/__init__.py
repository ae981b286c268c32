"""TODO docstring of pyoci.spec."""
