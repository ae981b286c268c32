"""An image becomes a bundle: a directory with rootfs/ and config.json that a runtime can run.

    image ──verify──▶ layers, one after the other ──▶ rootfs/
          ──config──▶ users looked up in rootfs/, volumes moved out of it ──▶ config.json

The bundle is made beside its place under another name and renamed at the end: what is at BUNDLE is
whole or not there.
"""

from __future__ import annotations

import json
import os

from builder.errors import StoreError
from builder.images.accounts import resolve_user
from builder.images.bundle_config import (
    BundleError,
    Choices,
    bundle_config,
    volumes_of,
)
from builder.images.volumes import move_volumes
from builder.store.remove import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from builder.image import Image

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def unpack(
    image: Image,
    bundle: str,
    choices: Choices = Choices(),  # noqa: B008
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Make a bundle of an image; gives its config.json.

    Args:
        image: loaded for one platform; its layers are verified while they are unpacked.
        bundle: a path where nothing is yet, or an empty directory.
        choices: of the caller.
        progress: told of each layer.

    Raises:
        BundleError: there is something at bundle, or the image names no program.
        AccountError: the image's user is not in its files.
        ImageFormatError, DigestMismatchError, SizeMismatchError, BlobNotFoundError: the image is
            damaged or hostile. Nothing is left at bundle.
    """
    place = os.path.abspath(bundle)
    _refuse_occupied(place, bundle)
    parent, name = os.path.split(place)
    fresh = f"{parent}/.{name}.{os.urandom(4).hex()}"
    try:
        os.makedirs(parent, exist_ok=True)
        os.mkdir(fresh, 0o755)
        os.mkdir(f"{fresh}/rootfs", 0o755)
    except OSError as error:
        raise _failed(bundle, error) from None
    try:
        document = _fill(image, fresh, choices, progress)
        os.rename(fresh, place)
    except OSError as error:
        raise _failed(bundle, error) from None
    finally:
        if os.path.lexists(fresh):
            remove_tree(fresh)
    return document


def default_hostname(bundle: str) -> str:
    """The bundle's name as a host name, as far as it can be one."""
    name = os.path.basename(os.path.abspath(bundle))
    kept = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)
    return kept.strip("-")[:63] or "container"


def apply_layers(
    image: Image, directory: int, progress: Callable[[str], None] | None = None
) -> None:
    """Unpack all layers into an open directory, each held against its digest and its DiffID.

    Raises what `unpack` raises.
    """
    from builder.layer.apply import apply_layer
    from builder.layer.stream import LayerStream

    for number, layer in enumerate(image.stack, 1):
        if progress is not None:
            progress(f"layer {number}/{len(image.layers)} {layer.descriptor.digest.short}")
        with LayerStream(image.layout, layer) as stream:
            apply_layer(stream.read, directory, what=stream.what)
            stream.finish()


def _fill(
    image: Image,
    bundle: str,
    choices: Choices,
    progress: Callable[[str], None] | None,
) -> dict[str, Any]:
    volumes = volumes_of(image.config)
    config = image.config.get("config")
    user = config.get("User") if isinstance(config, dict) else None
    rootfs = os.open(f"{bundle}/rootfs", _DIRECTORY_FLAGS)
    try:
        apply_layers(image, rootfs, progress)
        account = resolve_user(rootfs, user if isinstance(user, str) else "")
    finally:
        os.close(rootfs)
    document = bundle_config(image.config, account, move_volumes(bundle, volumes), choices)
    with open(f"{bundle}/config.json", "x", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    return document


def _refuse_occupied(place: str, bundle: str) -> None:
    try:
        occupied = bool(os.listdir(place))
    except FileNotFoundError:
        occupied = os.path.lexists(place)
    except NotADirectoryError:
        occupied = True
    except OSError as error:
        raise _failed(bundle, error) from None
    if occupied:
        raise BundleError(
            f"unpacking to {bundle}: there is something already",
            subject=bundle,
            hint="name a new directory or an empty one",
        )


def _failed(bundle: str, error: OSError) -> StoreError:
    return StoreError(f"unpacking to {bundle}: {error.strerror}", subject=bundle)
