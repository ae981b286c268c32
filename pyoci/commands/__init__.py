"""TODO docstring of pyoci.commands."""
