"""Vertices, keys, and differences in words."""

from __future__ import annotations

import pytest

from builder.dockerfile import Platform, Request, parse, resolve
from builder.graph import Base, Vertex, build_graph
from builder.graph.difference import explain
from builder.graph.keys import key_of
from builder.graph.operation import operation

BASE = {"architecture": "amd64", "os": "linux", "config": {}}


def graph_of(text, **request):
    wanted = Request(target_platform=Platform("linux", "amd64"), **request)
    resolution = resolve(parse(text), lambda reference, platform: BASE, wanted)
    return resolution, build_graph(resolution, "test")


def operations_of(text, **request):
    resolution, graph = graph_of(text, **request)
    return [vertex.operation for vertex in graph.chains[resolution.target]]


def test_instructions_of_configuration_have_no_vertex():
    _, graph = graph_of("FROM a\nENV A=1\nCMD x\nLABEL l=1\nEXPOSE 80\nUSER u\nWORKDIR /")
    assert graph.vertices == []
    assert isinstance(graph.ends[0], Base)


def test_unneeded_stages_are_not_in_the_graph():
    _, graph = graph_of("FROM a AS one\nRUN x\nFROM a AS two\nRUN y")
    assert [vertex.step.title for vertex in graph.vertices] == ["RUN y"]


def test_stages_that_begin_alike_share_their_beginning():
    text = (
        "FROM a AS one\nRUN same\nRUN x\nFROM a AS two\nRUN same\nRUN y\n"
        "FROM scratch\nCOPY --from=one / /1\nCOPY --from=two / /2"
    )
    _, graph = graph_of(text)
    titles = [vertex.step.title for vertex in graph.vertices]
    assert titles.count("RUN same") == 1
    assert graph.chains[0][0] is graph.chains[1][0]
    assert graph.chains[0][1] is not graph.chains[1][1]


@pytest.mark.parametrize(
    "other",
    ["COPY b /x", "COPY a /y", "COPY --chown=1 a /x", "COPY --chmod=1 a /x", "ADD a /x"],
)
def test_steps_that_differ_in_anything_are_not_shared(other):
    text = (
        f"FROM a AS one\nCOPY a /x\nFROM a AS two\n{other}\n"
        "FROM scratch\nCOPY --from=one / /1\nCOPY --from=two / /2"
    )
    _, graph = graph_of(text)
    assert graph.chains[0][0] is not graph.chains[1][0]


def test_a_stage_on_another_continues_its_chain():
    _, graph = graph_of("FROM a AS one\nRUN x\nFROM one\nRUN y")
    (last,) = graph.chains[1]
    assert isinstance(last.parent, Vertex) and last.parent.step.title == "RUN x"


def test_copy_from_a_stage_has_it_as_input():
    _, graph = graph_of("FROM a AS one\nRUN x\nFROM scratch\nCOPY --from=one /f /f")
    (copy,) = graph.chains[1]
    assert list(copy.inputs.values()) == [graph.ends[0]]


def test_the_context_is_no_input():
    _, graph = graph_of("FROM a\nCOPY f /f\nRUN --mount=target=/c x")
    assert [vertex.inputs for vertex in graph.vertices] == [{}, {}]


def test_proxies_are_in_no_key():
    plain = operations_of("FROM a\nRUN x")
    proxied = operations_of("FROM a\nRUN x", build_args={"HTTP_PROXY": "http://secret@proxy"})
    assert plain == proxied


def test_a_declared_argument_is_in_the_key():
    text = "FROM a\nARG V\nRUN x"
    one, two = (operations_of(text, build_args={"V": value})[0] for value in "12")
    assert key_of(one) != key_of(two)


def test_an_argument_that_is_not_declared_is_in_no_key():
    one = operations_of("FROM a\nRUN x", build_args={"V": "1"})
    assert one == operations_of("FROM a\nRUN x")


def test_which_cache_a_mount_uses_does_not_matter():
    one = operations_of("FROM a\nRUN --mount=type=cache,target=/c,id=one x")
    assert one == operations_of("FROM a\nRUN --mount=type=cache,target=/c,id=two x")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("RUN x", "RUN y"),
        ("RUN x", 'RUN ["x"]'),
        ("RUN x", "USER u\nRUN x"),
        ("RUN x", "WORKDIR /w\nRUN x"),
        ("RUN x", "ENV A=1\nRUN x"),
        ("RUN x", "RUN --network=none x"),
        ("RUN x", "RUN --mount=type=tmpfs,target=/t x"),
        ("RUN <<E\n#!/bin/a\nE", "RUN <<E\n#!/bin/b\nE"),
        ("COPY a /x", "COPY a /y"),
        ("COPY a /x", "COPY --chmod=644 a /x"),
        ("COPY a /x", "COPY --chown=1 a /x"),
        ("COPY a /x", "COPY --link a /x"),
        ("COPY <<a /x\n1\na", "COPY <<a /x\n2\na"),
        ("ADD a /x", "ADD --unpack=false a /x"),
    ],
)
def test_what_a_step_does_is_in_its_key(one, two):
    first, second = (operations_of(f"FROM a\n{text}")[-1] for text in (one, two))
    assert key_of(first) != key_of(second)


def test_a_variable_in_the_destination_is_in_the_key():
    """A wrong hit of another builder: kaniko left the expanded destination out of its key."""
    text = "FROM a\nARG D\nCOPY f /$D"
    one, two = (operations_of(text, build_args={"D": value})[0] for value in "xy")
    assert key_of(one) != key_of(two)


def test_what_only_explains_is_not_in_the_key():
    assert key_of({"a": 1, "_files": {}}) == key_of({"a": 1})


def test_keys_do_not_depend_on_the_order_of_members():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})


def test_bytes_that_are_not_utf8_have_a_key():
    assert key_of({"a": "\udcff"}) != key_of({"a": "\udcfe"})


RUN = {
    "kind": "run",
    "command": ["x"],
    "environment": ["A=1", "B=2"],
    "directory": "/",
    "user": "",
    "network": "default",
    "security": "sandbox",
    "mounts": [],
    "epoch": None,
    "parent": "p",
    "inputs": [],
    "_files": {},
    "_inputs": {},
    "_follows": True,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "copy"}, "the instruction changed"),
        ({"command": ["y"]}, "the command changed"),
        ({"environment": ["A=2", "B=2"]}, "the build argument A changed"),
        ({"environment": ["A=1", "B=3"]}, "the environment variable B changed"),
        ({"environment": ["A=1"]}, "the environment variable B changed"),
        ({"user": "app"}, 'the user changed: "" → app'),
        ({"directory": "/w"}, "the working directory changed: / → /w"),
        ({"epoch": 5}, "SOURCE_DATE_EPOCH changed: None → 5"),
        ({"parent": "q"}, "an earlier step changed"),
        ({"parent": "q", "_follows": False}, "the base image changed"),
        ({"inputs": [1], "_inputs": {"stage build": "x"}}, "stage build changed"),
        ({}, "its result is no longer in the store"),
    ],
)
def test_differences_in_words(change, words):
    assert explain(RUN, {**RUN, **change}, {"A"}) == words


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"a": "1", "b": "1"}, {"a": "2", "b": "1"}, "1 file changed: a"),
        ({"a": "1", "b": "1"}, {"a": "2", "b": "2"}, "2 files changed: a, b"),
        ({"a": "1"}, {"a": "1", "b": "1"}, "1 file added: b"),
        ({"a": "1", "b": "1"}, {"a": "1"}, "1 file removed: b"),
        ({"a": "1"}, {"b": "1"}, "1 file added: b; 1 file removed: a"),
        (
            dict.fromkeys("abcde", "1"),
            dict.fromkeys("abcde", "2"),
            "5 files changed: a, b, c, ...",
        ),
    ],
)
def test_differences_of_files_in_words(before, after, words):
    old = {"kind": "copy", "inputs": [["files", "1"]], "_files": before}
    new = {"kind": "copy", "inputs": [["files", "2"]], "_files": after}
    assert explain(old, new, ()) == words


def test_an_operation_is_plain_json():
    import json

    resolution, _ = graph_of(
        "FROM a\nRUN --mount=type=secret,id=s --mount=type=ssh --mount=type=tmpfs,target=/t x\n"
        "COPY --exclude=*.o a* <<f /d/\nx\nf"
    )
    for step in resolution.target_stage.steps:
        assert json.loads(json.dumps(operation(step))) == operation(step)
