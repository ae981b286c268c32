"""``python -m pyoci``: the same as the ``pyoci`` command."""

from __future__ import annotations

import sys

from pyoci.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
