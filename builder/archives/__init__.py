"""Images in one file: OCI archives (a layout in a tar) and Docker archives (`docker save`)."""

from __future__ import annotations

from builder.archives.read import ArchivedImage, read_archive
from builder.archives.write import write_archive

__all__ = ["ArchivedImage", "read_archive", "write_archive"]
