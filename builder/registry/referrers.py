"""What refers to an image: the referrers API, and the tag that stands in for it (distribution-spec
"Listing Referrers", "Pushing Manifests with Subject").

A registry without the API keeps an index under the tag `sha256-<hex>`, which its clients write.
"""

from __future__ import annotations

import json

from builder import canonical_json, contents, media_types
from builder.descriptor import Descriptor
from builder.registry.errors import RegistryError
from builder.registry.repository import json_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.digest import Digest
    from builder.registry.repository import Repository

_MOST_PAGES = 100
_LONGEST_HEX = 64


def fallback_tag(digest: Digest) -> str:
    """The tag whose index lists what refers to a digest."""
    return f"{digest.algorithm[:32]}-{digest.hex[:_LONGEST_HEX]}"


def find_referrers(
    repository: Repository, digest: Digest, artifact_type: str | None = None
) -> list[Descriptor]:
    """The manifests that refer to a digest, of one type or of all.

    Raises RegistryError, ImageFormatError.
    """
    found = _by_api(repository, digest)
    if found is None:
        found = _by_tag(repository, digest)
    return [entry for entry in found if artifact_type in (None, entry.artifact_type)]


def add_referrer(repository: Repository, image: Descriptor, referrer: Descriptor) -> None:
    """After a manifest with a subject was pushed: list it, where the registry does not do that."""
    if _by_api(repository, image.digest) is not None:
        return
    listed = _by_tag(repository, image.digest)
    if any(entry.digest == referrer.digest for entry in listed):
        return
    entry = Descriptor(
        referrer.media_type, referrer.digest, referrer.size, artifact_type=referrer.artifact_type
    )
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [one.to_json() for one in (*listed, entry)],
    }
    data = canonical_json.encode(document)
    repository.put_manifest(data, media_types.INDEX, fallback_tag(image.digest))


def _by_api(repository: Repository, digest: Digest) -> list[Descriptor] | None:
    """None from a registry that does not know the API."""
    doing = f"looking for what refers to {repository.shown(digest)}"
    url = repository.url(f"referrers/{digest}")
    found: list[Descriptor] = []
    for _ in range(_MOST_PAGES):
        try:
            answer, data = repository.document(url, doing, accept=media_types.INDEX)
        except RegistryError as error:
            # Registries without the API answer 404, some 400, 405 or worse.
            if 400 <= error.status < 500 and error.status not in (401, 429):
                return None
            raise
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if answer.status_code == 404 or kind != media_types.INDEX:
            return None
        document = json_object(data, doing)
        found += contents.entries_of(document, Descriptor(media_types.INDEX, digest, len(data)))
        following = answer.links.get("next", {}).get("url")
        if not following:
            break
        url = repository.connection.target_of(url, following)
    return found


def _by_tag(repository: Repository, digest: Digest) -> list[Descriptor]:
    stored = repository.manifest(fallback_tag(digest))
    if stored is None or not contents.is_index(stored[0]):
        return []
    return contents.entries_of(json.loads(stored[1]), stored[0])
