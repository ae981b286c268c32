"""Every snippet of the corpus means what the reference frontend says it means.

The corpus holds what BuildKit's frontend answered for each snippet, with every FROM resolved to
one fake base. Two differences are of spelling, not of meaning, and are undone before comparing:
Go writes an empty list of diff_ids as null and leaves an empty history out.
"""

from __future__ import annotations

import json
import os

import pytest

from builder.dockerfile import (
    BindMount,
    CacheMount,
    CopyStep,
    DockerfileError,
    HttpSource,
    InlineFiles,
    InlineSource,
    PathSource,
    Platform,
    Request,
    RunStep,
    SecretMount,
    TmpfsMount,
    WorkdirStep,
    parse,
    resolve,
)
from builder.dockerfile.lint import new_linter

CORPUS = os.path.join(os.path.dirname(__file__), "../../data/dockerfile/cases.json")
AMD64 = Platform("linux", "amd64")
BASE = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["PATH=/usr/bin", "BASE=1"], "Cmd": ["/bin/sh"], "WorkingDir": "/base"},
    "rootfs": {
        "type": "layers",
        "diff_ids": ["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"],
    },
}
with open(CORPUS, encoding="utf-8") as stream:
    CASES = json.load(stream)


class Answer:
    """What this library says about a snippet: the same members as a case of the corpus."""

    def __init__(self, text):
        self.parse_error = self.error = self.resolution = self.lint = None
        request = Request(target_platform=AMD64)
        try:
            dockerfile = parse(text)
            linter = new_linter(dockerfile, request)
            self.resolution = resolve(dockerfile, lambda reference, platform: BASE, request, linter)
            ordered = sorted(linter.findings, key=lambda finding: finding.range.start)
            self.lint = [str(finding) for finding in ordered] or None
        except DockerfileError as error:
            self.error = error

    @property
    def error_text(self):
        return self.error.reference_message if self.error else None


def cases(*, when=lambda case: True):
    """Run a test once per snippet for which there is something to compare."""
    chosen = [case for case in CASES if when(case)]
    names = [repr(case["dockerfile"])[1:60] for case in chosen]
    return pytest.mark.parametrize("case", chosen, ids=names)


def has_image(case):
    return case["image"] is not None


def has(kind):
    """Whether the reference's build graph has an operation of a kind."""
    return lambda case: has_image(case) and bool(_operations(case, kind))


def _operations(case, kind):
    found = [(vertex["op"].get("Op") or {}).get(kind) for vertex in case["ops"] or ()]
    return [operation for operation in found if operation is not None]


@cases()
def test_the_error_is_the_references(case):
    assert Answer(case["dockerfile"]).error_text == case["llb_error"]


@cases()
def test_the_image_configuration_is_the_references(case):
    answer = Answer(case["dockerfile"])
    image = answer.resolution.target_stage.image if answer.resolution else None
    expected = case["image"]
    if expected is not None:
        expected = {**expected, "history": expected.get("history") or []}
        expected["rootfs"] = {"type": "layers", "diff_ids": expected["rootfs"]["diff_ids"] or []}
    assert image == expected


@cases(when=has_image)
def test_the_members_of_the_configuration_stand_in_the_references_order(case):
    answer = Answer(case["dockerfile"])
    ours = answer.resolution.target_stage.image["config"]
    assert sorted(ours) == sorted(case["image"]["config"])
    assert list(ours) == list(case["image"]["config"])


@cases()
def test_the_lint_findings_are_the_references(case):
    assert Answer(case["dockerfile"]).lint == case["lint"]


@cases(when=lambda case: case["ast_error"])
def test_errors_of_splitting_lines_come_before_all_others(case):
    answer = Answer(case["dockerfile"])
    assert answer.error_text == case["ast_error"]
    assert answer.error is not None and answer.error.phase == "lines"


@cases(when=lambda case: case["instructions_error"] and not case["ast_error"])
def test_errors_of_one_instruction_say_which_phase_they_belong_to(case):
    answer = Answer(case["dockerfile"])
    assert answer.error is not None and answer.error.phase in ("instruction", "lines", "conversion")
    with pytest.raises(DockerfileError):
        parse(case["dockerfile"])


def _steps(answer, kind):
    return [
        step for stage in answer.resolution.stages for step in stage.steps if isinstance(step, kind)
    ]


def _mount(mount):
    """A mount of ours in the members of the reference's that both have."""
    shown = {"dest": mount.target}
    if isinstance(mount, CacheMount):
        sharing = {"shared": None, "private": 1, "locked": 2}[mount.sharing]
        shown["cache"] = ("/" + mount.id, sharing)
    elif isinstance(mount, TmpfsMount):
        shown["tmpfs"] = mount.size or None
    elif isinstance(mount, SecretMount):
        if mount.target is None:
            return None
        shown["secret"] = (mount.id, mount.mode)
    elif isinstance(mount, BindMount):
        shown["readonly"] = mount.readonly
        shown["selector"] = None if mount.source == "/" else mount.source
    elif isinstance(mount, InlineFiles):
        shown.update(readonly=True, selector=None)
    return shown


def _reference_mount(mount):
    shown = {"dest": mount["dest"].rstrip("/")}
    if "cacheOpt" in mount:
        shown["cache"] = (mount["cacheOpt"]["ID"], mount["cacheOpt"].get("sharing"))
    elif "TmpfsOpt" in mount or mount.get("mountType") == 4:
        shown["tmpfs"] = mount.get("TmpfsOpt", {}).get("size")
    elif "secretOpt" in mount:
        shown["secret"] = (mount["secretOpt"]["ID"], mount["secretOpt"]["mode"])
    else:
        shown["readonly"] = mount.get("readonly", False)
        shown["selector"] = mount.get("selector", "").rstrip("/") or None
    return shown


@cases(when=has("exec"))
def test_processes_of_run_are_the_references(case):
    answer = Answer(case["dockerfile"])
    networks = {None: "default", 1: "host", 2: "none"}
    expected = sorted(
        (
            op["meta"]["args"],
            op["meta"].get("env", []),
            op["meta"]["cwd"],
            op["meta"].get("user", ""),
            networks[op.get("network")],
        )
        for op in _operations(case, "exec")
    )
    ours = sorted(
        (list(step.args), list(step.env), step.cwd, step.user, step.network)
        for step in _steps(answer, RunStep)
    )
    assert ours == expected


@cases(when=has("exec"))
def test_mounts_of_run_are_the_references(case):
    answer = Answer(case["dockerfile"])
    expected = sorted(
        [repr(_reference_mount(mount)) for mount in op["mounts"] if mount["dest"] != "/"]
        for op in _operations(case, "exec")
    )
    ours = sorted(
        [repr(shown) for mount in step.mounts if (shown := _mount(mount))]
        for step in _steps(answer, RunStep)
    )
    assert ours == expected


def _source(source):
    if isinstance(source, PathSource):
        return source.path, source.unpack
    if isinstance(source, InlineSource):
        return f"/{source.name}", False
    assert isinstance(source, HttpSource)
    return f"/{source.filename or '__unnamed__'}", source.unpack


# A git source is a file of the context in the corpus: the reference took it without network.
@cases(when=lambda case: has("file")(case) and "git" not in case["dockerfile"])
def test_files_of_copy_and_add_are_the_references(case):
    answer = Answer(case["dockerfile"])
    expected = sorted(
        [
            (copy["src"], copy.get("attemptUnpackDockerCompatibility", False), copy["dest"])
            for action in op["actions"]
            if (copy := action["Action"].get("copy"))
        ]
        for op in _operations(case, "file")
        if any("copy" in action["Action"] for action in op["actions"])
    )
    ours = sorted(
        [(*_source(source), step.destination) for source in step.sources]
        for step in _steps(answer, CopyStep)
    )
    assert ours == expected


@cases(when=has("file"))
def test_directories_of_workdir_are_the_references(case):
    answer = Answer(case["dockerfile"])
    expected = [
        made["path"]
        for op in _operations(case, "file")
        for action in op["actions"]
        if (made := action["Action"].get("mkdir")) and made.get("makeParents")
    ]
    ours = [step.path for step in _steps(answer, WorkdirStep)]
    assert sorted(ours) == sorted(expected)
