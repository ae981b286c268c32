"""Every error shows the file, the line and a caret under the word at fault."""

from __future__ import annotations

import pytest

from builder.dockerfile import DockerfileError, Platform, Request, parse, resolve

GOLDEN = {
    "an unknown instruction": (
        "FROM a\nFORM b\n",
        """\
Dockerfile:2:1: unknown instruction: FORM (did you mean FROM?)
   2 | FORM b
     | ^~~~""",
    ),
    "a flag": (
        "FROM a\nCOPY --form=b x y\n",
        """\
Dockerfile:2:6: unknown flag: --form (did you mean from?)
   2 | COPY --form=b x y
     |      ^~~~~~""",
    ),
    "a word on a continued line": (
        "FROM a\nRUN --mount=type=cache,target=/c \\\n    --mount=type=cahce,target=/d \\\n    x\n",
        """\
Dockerfile:3:13: unsupported mount type "cahce" (did you mean cache?)
   3 |     --mount=type=cahce,target=/d \\
     |             ^~~~~~~~~~""",
    ),
    "a tab before the word": (
        "FROM a\n\tCOPY\t--chown x y\n",
        """\
Dockerfile:2:7: missing a value on flag: --chown
   2 | \tCOPY\t--chown x y
     | \t    \t^~~~~~~""",
    ),
    "a stage that comes later": (
        "FROM a AS one\nCOPY --from=two x y\nFROM a AS two\nFROM one\n",
        """\
Dockerfile:2:6: cannot copy from stage "two", it needs to be defined before current stage "one"
   2 | COPY --from=two x y
     |      ^~~~~~~~~~""",
    ),
    "a wrong mode": (
        "FROM a\nCOPY --chmod=999 x y\n",
        """\
Dockerfile:2:14: invalid chmod parameter: '999'. it should be octal string and between 0 and 07777
   2 | COPY --chmod=999 x y
     |              ^~~""",
    ),
    "a variable without a value": (
        "FROM a\nENV A=${B:?needed}\n",
        """\
Dockerfile:2:7: failed to process "${B:?needed}": B: needed
   2 | ENV A=${B:?needed}
     |       ^~~~~~~~~~~~""",
    ),
    "control characters cannot reach the terminal": (
        "FROM a\nF\x1b[2JOO x\n",
        """\
Dockerfile:2:1: unknown instruction: F\x1b[2JOO
   2 | F\ufffd[2JOO x
     | ^~~~~~~""",
    ),
}


def error_of(text, target=""):
    with pytest.raises(DockerfileError) as caught:
        request = Request(target=target, target_platform=Platform("linux", "amd64"))
        resolve(parse(text), lambda reference, platform: None, request)
    return caught.value


@pytest.mark.parametrize("name", GOLDEN)
def test_excerpts(name):
    text, expected = GOLDEN[name]
    assert str(error_of(text)) == expected


def test_a_long_instruction_shows_its_first_lines():
    sources = " \\\n".join(f"  f{n}" for n in range(10))
    text = f"FROM a AS x\nCOPY --from=y a b\nFROM a AS y\nCOPY --from=x \\\n{sources} /d/\n"
    assert str(error_of(text)).splitlines() == [
        "Dockerfile:4: circular dependency detected on stage: x",
        "   4 | COPY --from=x \\",
        "     | ^~~~~~~~~~~~~~~",
        "   5 |   f0 \\",
        "   6 |   f1 \\",
        "   7 |   f2 \\",
        "     | ...",
    ]


def test_a_very_long_line_is_cut_around_the_word():
    text = "FROM a\nCOPY " + "x" * 500 + " --nope y\nRUN --bad " + "y" * 500
    lines = str(error_of(text)).splitlines()
    assert lines[0].startswith("Dockerfile:3:5: unknown flag: --bad")
    assert max(len(line) for line in lines[1:]) <= 220


def test_a_target_that_is_no_stage_lists_those_that_are():
    shown = str(error_of("FROM a AS build\nFROM b AS final", target="biuld"))
    assert 'target stage "biuld" could not be found (did you mean build?)' in shown
    assert "stages are build, final" in shown


def test_the_name_of_the_file_is_the_one_given():
    with pytest.raises(DockerfileError) as caught:
        parse("FROM a\nFOO", "sub/My.Dockerfile")
    assert str(caught.value).startswith("sub/My.Dockerfile:2:1: unknown instruction: FOO")


def test_the_reference_prefix_is_for_instruction_errors_only():
    assert error_of("FROM a\nFOO").reference_message.startswith("dockerfile parse error on line 2:")
    assert not error_of("FROM a\nCOPY --chmod=9 a b").reference_message.startswith("dockerfile")
