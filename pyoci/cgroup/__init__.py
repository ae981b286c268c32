"""TODO docstring of pyoci.cgroup."""
