"""TODO docstring of pyoci.plan."""
