"""The OCI specifications as data: their JSON Schemas and the list of their requirements.

::

    specs.faults("runtime/config", config)     what the schema finds wrong, one line each
    specs.validator("image/index")             a jsonschema validator
    specs.requirements()                       every requirement, with an id for tests to refer to

The schemas are the official ones; see the README beside them. Nothing is fetched: references
between the files are resolved here.
"""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

_BASE = "https://opencontainers.org/schema/"
_SCHEMAS = {
    "runtime/config": "config-schema.json",
    "runtime/features": "features-schema.json",
    "runtime/state": "state-schema.json",
    "image/config": "config-schema.json",
    "image/descriptor": "content-descriptor.json",
    "image/index": "image-index-schema.json",
    "image/layout": "image-layout-schema.json",
    "image/manifest": "image-manifest-schema.json",
}
SCHEMAS = tuple(_SCHEMAS)


class Requirement(NamedTuple):
    """One thing that a specification demands (MUST), recommends (SHOULD) or allows (MAY).

    ``id`` never changes once it is published; ``since`` is the release that brought it.
    """

    id: str
    specification: str
    chapter: str
    level: str
    text: str
    since: str


def schema(name: str) -> dict[str, Any]:
    """Give one of the ``SCHEMAS``; references in it lead to files beside it.

    Raises KeyError for another name.
    """
    return _read(name.partition("/")[0], _SCHEMAS[name])


@cache
def validator(name: str) -> Draft4Validator:
    """Give a validator for one of the ``SCHEMAS``; raises KeyError for another name."""
    family = name.partition("/")[0]

    def retrieve(uri: str) -> Resource[Any]:
        # The image schemas' ids move their base around: only the file's name tells.
        return DRAFT4.create_resource(_read(family, uri.rpartition("/")[2]))

    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    start = {"$ref": f"{_BASE}{family}/{_SCHEMAS[name]}"}
    return Draft4Validator(start, registry=registry)


def faults(name: str, document: Any) -> list[str]:
    """Give what a schema finds wrong with a document: JSON pointer and reason, in order."""
    found = validator(name).iter_errors(document)
    return [f"{_pointer(error.absolute_path)}: {error.message}" for error in found]


@cache
def requirements() -> tuple[Requirement, ...]:
    """Give the requirements of both specifications, in the order of their chapters."""
    found = []
    for family in ("runtime", "image"):
        text = files(__name__).joinpath(f"{family}-spec", "requirements.toml").read_text("utf-8")
        for chapter in tomllib.loads(text)["chapter"]:
            for entry in chapter["requirement"]:
                found.append(
                    Requirement(
                        entry["id"],
                        f"{family}-spec",
                        chapter["title"],
                        entry["level"],
                        entry["text"],
                        entry.get("since", "1.0.0"),
                    )
                )
    return tuple(found)


def _read(family: str, file: str) -> dict[str, Any]:
    text = files(__name__).joinpath(f"{family}-spec", file).read_text("utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def _pointer(path: Any) -> str:
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path]
    return "".join(f"/{step}" for step in steps) or "(the document)"
