"""Images as a whole: found by name, described, checked, brought in, unpacked to a bundle.

locate.py          which image an argument of the command line means
describe.py        `inspect`;  history.py `history`;  listing.py `images`, `rm`
check.py           every blob against its digest and size
imports.py         a root file system becomes a base image
unpack.py          an image becomes a bundle: rootfs and config.json
bundle_config.py   the image's config as runtime configuration (image-spec conversion.md)
accounts.py        users and groups of the image's own files
"""

from __future__ import annotations
