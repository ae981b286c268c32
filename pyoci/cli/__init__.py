"""TODO docstring of pyoci.cli."""
