"""TODO docstring of pyoci.state."""
