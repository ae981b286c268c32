"""TODO docstring of pyoci.seccomp."""
