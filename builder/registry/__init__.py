"""Images in registries (OCI distribution-spec 1.1): pull, push, and what is around them.

    Reference ──▶ Repository ──▶ Connection ──▶ HTTP
    pull: manifest, then blobs in parallel ──▶ layout      push: blobs, manifests, then the tag

Nothing here is loaded, and no network touched, before an image of a registry is asked for.
"""

from __future__ import annotations
