"""Whatever a Dockerfile holds, the answer is a result or a DockerfileError, and soon."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.dockerfile import DockerfileError, Platform, Request, parse, resolve
from builder.dockerfile.ignore import IgnoreRules
from builder.dockerfile.lint import check

AMD64 = Platform("linux", "amd64")
BASE = {"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]}}
WORDS = (
    *("FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "CMD", "ENTRYPOINT", "USER", "WORKDIR"),
    *("EXPOSE", "VOLUME", "SHELL", "HEALTHCHECK", "ONBUILD", "STOPSIGNAL", "MAINTAINER", "AS"),
    *("a", "b", "scratch", "$A", "${A", "${A:-", "}", "=", "\\", "\\\n", "\n", "#", "<<E", "E\n"),
    *("'", '"', "[", "]", ",", "--from=", "--mount=", "--chown=", "--chmod=", "--platform=", "--"),
    *("type=cache", "target=/x", "/./", "**", "*", "?", "[a-", "http://x/y", "a.git", "80-90/tcp"),
    *("\t", "\r\n", "\x00", "\x1b[2J", "é", "\udcff", "-1", "99999999999999999999", "NONE", "CMD"),
)
texts = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)
quick = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def answer(text):
    try:
        resolve(parse(text), lambda reference, platform: BASE, Request(target_platform=AMD64))
    except DockerfileError as error:
        shown = str(error)
        assert shown.startswith("Dockerfile")
        assert "\x1b" not in "\n".join(error.excerpt())


@quick
@given(texts)
def test_words_of_the_language_in_any_order(text):
    answer(text)


@quick
@given(texts)
def test_after_a_good_beginning(text):
    answer(f"ARG A=1\nFROM a AS x\n{text}")


@quick
@given(st.binary(max_size=200))
def test_any_bytes(data):
    answer(data)


@quick
@given(texts)
def test_the_linter_takes_anything(text):
    try:
        check(parse(f"FROM a\n{text}"))
    except DockerfileError:
        return


@quick
@given(st.text(max_size=100), st.text(max_size=50))
def test_any_ignore_file(rules, path):
    try:
        IgnoreRules.parse(rules).matches(path)
    except ValueError:
        return


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\n" + "RUN x\n" * 20_000,
        "\n".join(f"FROM a AS s{n}\nRUN x" for n in range(2000)),
        "FROM a AS s0\n" + "\n".join(f"FROM s{n} AS s{n + 1}" for n in range(1500)),
        "FROM a\nENV " + " ".join(f"A{n}=$A{n - 1}" for n in range(1, 3000)),
        "FROM a\nRUN x" + " \\\n" * 20_000 + "y",
        "FROM a\nRUN " + "<<E " * 500 + "\n" + "E\n" * 500,
        "FROM a\nCMD " + "[" * 20_000,
        "FROM a\nEXPOSE 1-65535",
        "FROM a\nCOPY " + "*" * 10_000 + " /",
        "FROM a\nENV A=" + "${A:-" * 3000 + "}" * 3000,
    ],
    ids=[
        *("many steps", "many stages", "a chain of stages", "many variables", "continuations"),
        *("here-documents", "nested json", "ports", "stars", "nested variables"),
    ],
)
def test_large_files_are_no_crash(text):
    answer(text)
