"""All checks of one image."""

from __future__ import annotations

from builder.checks.file_tree import FileTree
from builder.checks.layer_index import index_layer
from builder.checks.libraries import Libraries
from builder.checks.start import program_problems, search_path, started_program, user_problems
from builder.checks.waste import waste_problems
from builder.layer import entry as kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.checks.checks import Problem
    from builder.checks.known_layers import KnownLayers
    from builder.checks.layer_index import LayerIndex
    from builder.checks.program import Program
    from builder.image import Image
    from builder.layer import Layer


def check_image(
    image: Image, base_layers: int = 0, known: KnownLayers | None = None
) -> list[Problem]:
    """What is wrong with an image; nothing of it is executed or unpacked.

    Args:
        image: to check.
        base_layers: so many of its lowest layers are somebody else's: their programs are looked at
            only where the image's own need them.
        known: what those layers bring, when they were read before.

    Raises ImageFormatError and what reading blobs raises.
    """
    tree = FileTree()
    for number, layer in enumerate(image.stack):
        if number >= base_layers:
            index = index_layer(image, layer, programs=True)
        else:
            index = _base_index(image, layer, known)
        tree.add_layer(index, number)
    config = image.config.get("config")
    config = config if isinstance(config, dict) else {}
    found = [*user_problems(tree, config), *program_problems(tree, config)]

    environment = [text for text in config.get("Env") or () if isinstance(text, str)]
    libraries = Libraries(tree, environment, str(image.config.get("architecture") or ""))
    directories = {path for path in map(_real_name(tree), search_path(config)) if path}
    programs = {
        "/" + name.decode("utf-8", "surrogateescape"): item.program
        for name, item, layer in tree
        if layer >= base_layers
        and item.kind == kinds.FILE
        and item.mode & 0o111
        and item.program is not None
        and _is_started(item.program, name.rpartition(b"/")[0], directories)
    }
    started = started_program(tree, config)
    if started is not None and started[1].program is not None:
        programs.setdefault(started[0], started[1].program)
    for path, program in programs.items():
        found += libraries.problems(path, program)
    found += waste_problems(tree, config=image.config, first=base_layers)
    return found


def _base_index(image: Image, layer: Layer, known: KnownLayers | None) -> LayerIndex:
    index = known.get(layer.diff_id) if known is not None else None
    if index is None:
        index = index_layer(image, layer, programs=False)
        if known is not None:
            known.put(layer.diff_id, index)
    return index


def _is_started(program: Program, directory: bytes, directories: set[bytes]) -> bool:
    """Whether a file is a program of its own: no library, no example script somewhere."""
    if program.is_script:
        return directory in directories
    return bool(program.interpreter) or not program.needed


def _real_name(tree: FileTree) -> Callable[[str], bytes]:
    def real_name(path: str) -> bytes:
        found = tree.find(path)
        return b"" if found is None else found[0]

    return real_name
