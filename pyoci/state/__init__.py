"""What the runtime remembers of a container between its commands.

One directory per container below the state root::

    <root>/<id>/state.json     what this module writes; replaced atomically
    <root>/<id>/config.json    the configuration as it was at create; never changed
    <root>/<id>/exec.fifo      there while the container waits for ``start``
    <root>/<id>/start.report   what the init has to say after the runtime is gone
    <root>/<id>/lock           held (flock) by the command that changes the container

The directory itself is the claim on the ID: it is made with mkdir(2), so of several creates with
the same ID one wins.
"""
