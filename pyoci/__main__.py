"""``python -m pyoci``: the same as the ``pyoci`` command."""

from __future__ import annotations

import os
import sys

from pyoci.cli.main import main


def open_streams() -> None:
    """Put /dev/null where the caller has closed a standard stream.

    The next file that is opened would take its number, and what is meant for the container's
    stream go there. The command's launcher does the same.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one: those below are open.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


if __name__ == "__main__":
    open_streams()
    sys.exit(main())
