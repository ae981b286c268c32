"""The package `specs`: official schemas, official examples, and the list of requirements."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import specs

EXAMPLES = Path(__file__).parents[2] / "data/runtime-spec"
GOOD = sorted(EXAMPLES.glob("*/good/*.json"))
BAD = sorted(EXAMPLES.glob("*/bad/*.json"))


def kind_of(path: Path) -> str:
    return f"runtime/{path.parts[-3]}"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_official_good_documents_are_accepted(path):
    assert specs.faults(kind_of(path), json.loads(path.read_text())) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_official_bad_documents_are_refused(path):
    try:
        document = json.loads(path.read_text())
    except ValueError:
        assert path.stem == "invalid-json"
        return
    assert specs.faults(kind_of(path), document) != []


@pytest.mark.parametrize("name", specs.SCHEMAS)
def test_every_schema_and_its_references_load_and_refuse_something(name):
    assert specs.schema(name)["$schema"].startswith("http://json-schema.org/draft-04/")
    assert specs.faults(name, []) != []
    assert specs.faults(name, {}) != []


DESCRIPTOR = {
    "mediaType": "application/vnd.oci.image.layer.v1.tar",
    "digest": "sha256:" + "0" * 64,
    "size": 1,
}


def test_references_between_the_image_schemas_are_followed():
    manifest = {"schemaVersion": 2, "config": DESCRIPTOR, "layers": [DESCRIPTOR]}
    assert specs.faults("image/manifest", manifest) == []
    manifest["layers"] = [{**DESCRIPTOR, "size": -1}]
    assert specs.faults("image/manifest", manifest) == [
        "/layers/0/size: -1 is less than the minimum of 0"
    ]


def test_a_fault_has_an_escaped_pointer():
    config = {"ociVersion": "1.0.0", "root": {"path": "r"}, "annotations": {"a/b~c": 1}}
    (fault,) = specs.faults("runtime/config", config)
    assert fault.startswith("/annotations/a~1b~0c: 1 is not of type")


def test_a_schema_that_does_not_exist_is_a_key_error():
    with pytest.raises(KeyError):
        specs.validator("runtime/nonsense")


def test_requirements_have_unique_ids_and_known_levels():
    found = specs.requirements()
    assert len({requirement.id for requirement in found}) == len(found)
    assert {requirement.level for requirement in found} == {"MUST", "SHOULD", "MAY"}
    assert {requirement.specification for requirement in found} == {"runtime-spec", "image-spec"}
    for requirement in found:
        assert requirement.text.endswith(".")
        assert requirement.id == requirement.id.lower().replace("_", "-")


def test_every_mandatory_mount_option_is_a_requirement_and_is_known():
    from pyoci.spec.tables.mount_options import MOUNT_OPTIONS

    options = {
        requirement.id.removeprefix("mount-option-")
        for requirement in specs.requirements()
        if requirement.id.startswith("mount-option-") and requirement.id != "mount-option-data"
    }
    assert len(options) >= 60
    assert options <= set(MOUNT_OPTIONS)
