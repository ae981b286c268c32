"""Splitting a Dockerfile into instructions: comments, continuations, directives, here-documents."""

from __future__ import annotations

import pytest

from builder.dockerfile import DockerfileError, parse
from builder.dockerfile import instructions as ast


def instructions(text):
    (stage,) = parse(text).stages
    return stage.instructions


def run_text(text):
    """What the shell of the only RUN gets."""
    (run,) = instructions(text)
    assert isinstance(run, ast.Run)
    return run.words[0] if run.words else ""


def error(text):
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("RUN a \\\n b", "a  b"),
        ("RUN a\\\nb", "ab"),
        ("RUN a \\\n# comment\n b", "a  b"),
        ("RUN a \\\n   # indented comment\n b", "a  b"),
        ("RUN a \\\n\n b", "a  b"),
        ("RUN a \\  \n b", "a  b"),
        ("RUN a \\\t\n b", "a  b"),
        ("RUN a # not a comment", "a # not a comment"),
        ("RUN echo \\", "echo"),
        ("  RUN leading blanks", "leading blanks"),
        ("RUN\ttab", "tab"),
        ("run lower case", "lower case"),
        ("RUN a \\\\\nRUN b", None),
        ("RUN x\r\n", "x"),
    ],
)
def test_continuations_and_comments(body, expected):
    text = f"FROM a\n{body}"
    if expected is None:
        assert len(instructions(text)) == 2
    else:
        assert run_text(text) == expected


def test_line_ends_of_dos_are_line_ends():
    assert run_text("FROM a\r\nRUN x \\\r\n y\r\n") == "x  y"


def test_a_byte_order_mark_is_skipped():
    assert parse(b"\xef\xbb\xbfFROM a").stages[0].from_.base == "a"


def test_bytes_that_are_not_utf8_are_kept():
    (run,) = parse(b"FROM a\nRUN echo \xff").stages[0].instructions
    assert run.words[0].encode("utf-8", "surrogateescape") == b"echo \xff"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the Dockerfile cannot be empty"),
        ("\n\n", "file with no instructions"),
        ("# only a comment", "file with no instructions"),
        ("FROM a\nRUN " + "x" * 65536, "dockerfile line greater than max allowed size of 65535"),
        ("FROM a\nRUN <<EOF\nx", "unterminated heredoc"),
        ("RUN x", "no build stage in current context"),
        ("FROM a\nONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
    ],
)
def test_what_is_wrong_with_a_file(text, message):
    assert message in error(text).message


class TestDirectives:
    def test_escape_changes_the_escape_character(self):
        assert run_text("# escape=`\nFROM a\nRUN c:\\ `\n x") == "c:\\  x"

    @pytest.mark.parametrize("line", ["#escape=`", "# ESCAPE = `", "#\tescape\t=\t`"])
    def test_spelling(self, line):
        assert parse(f"{line}\nFROM a").escape == "`"

    @pytest.mark.parametrize(
        "before", ["# a comment\n", "\n", "# unknown=x\n", "FROM b\n"], ids=repr
    )
    def test_only_at_the_very_top(self, before):
        assert parse(f"{before}# escape=`\nFROM a").escape == "\\"

    def test_a_known_directive_may_follow_another(self):
        dockerfile = parse("# syntax=docker/dockerfile:1\n# escape=`\nFROM a")
        assert (dockerfile.syntax, dockerfile.escape) == ("docker/dockerfile:1", "`")

    def test_twice_is_an_error(self):
        assert error("# escape=`\n# escape=`\nFROM a").message == (
            "only one escape parser directive can be used"
        )

    def test_the_escape_character_is_a_backslash_or_a_backtick(self):
        assert (
            "invalid escape token 'x' does not match ` or \\" in error("# escape=x\nFROM a").message
        )


class TestHeredocs:
    def test_the_body_is_the_script(self):
        (run,) = instructions("FROM a\nRUN <<EOF\none\ntwo\nEOF")
        assert [h.body for h in run.heredocs] == ["one\ntwo\n"]

    def test_several_are_read_in_order(self):
        (copy,) = instructions("FROM a\nCOPY <<x <<y /d/\n1\nx\n2\ny")
        assert [(f.name, f.text) for f in copy.files] == [("x", "1\n"), ("y", "2\n")]

    def test_comments_and_continuations_inside_are_text(self):
        (run,) = instructions("FROM a\nRUN <<E\n# no comment\na \\\nb\nE")
        assert run.heredocs[0].body == "# no comment\na \\\nb\n"

    def test_a_dash_strips_tabs_from_body_and_terminator(self):
        (copy,) = instructions("FROM a\nCOPY <<-E /x\n\t\tone\n\ttwo\n  three\n\tE")
        assert copy.files[0].text == "one\ntwo\n  three\n"

    @pytest.mark.parametrize("word", ["'E'", '"E"', 'E""', "E''"])
    def test_a_quote_turns_expansion_off(self, word):
        (copy,) = instructions(f"FROM a\nCOPY <<{word} /x\n$A\nE")
        assert (copy.files[0].name, copy.files[0].expand) == ("E", False)

    @pytest.mark.parametrize("text", ["RUN a <<<x", 'RUN ["<<E"]', 'RUN "<<E"', "CMD a <<E"])
    def test_what_is_no_here_document(self, text):
        (instruction,) = instructions(f"FROM a\n{text}")
        assert instruction.heredocs == ()

    def test_lines_after_it_are_instructions_again(self):
        run, cmd = instructions("FROM a\nRUN <<E\nx\nE\nCMD y")
        assert (run.range.start, run.range.end, cmd.range.start) == (2, 4, 5)


class TestForms:
    @pytest.mark.parametrize(
        ("text", "words", "is_json"),
        [
            ('CMD ["a", "b c"]', ("a", "b c"), True),
            ("CMD a b", ("a b",), False),
            ('CMD ["a" "b"]', ('["a" "b"]',), False),
            ("CMD ['a']", ("['a']",), False),
            ("CMD []", (), True),
            ("CMD", (), False),
            ('CMD ["a\\u00e9"]', ("aé",), True),
            ('CMD ["a"] # x', ('["a"] # x',), False),
            ('CMD   ["a"]  ', ("a",), True),
        ],
    )
    def test_exec_form_and_shell_form(self, text, words, is_json):
        (cmd,) = instructions(f"FROM a\n{text}")
        assert (cmd.words, cmd.is_json) == (words, is_json)

    @pytest.mark.parametrize("text", ["[1]", '["a", null]', '["a", ["b"]]', "[true]"])
    def test_json_of_something_else_is_an_error(self, text):
        assert "arrays must be comprised of strings only" in error(f"FROM a\nCMD {text}").message

    def test_shell_needs_json(self):
        assert "SHELL requires the arguments to be in JSON form" in error("FROM a\nSHELL x").message

    @pytest.mark.parametrize(
        ("text", "pairs"),
        [
            ("ENV A=1 B=2", [("A", "1"), ("B", "2")]),
            ("ENV A=a\\ b", [("A", "a\\ b")]),
            ('ENV A="a b" C=d', [("A", '"a b"'), ("C", "d")]),
            ("ENV A b c", [("A", "b c")]),
            ("ENV A=", [("A", "")]),
            ("ENV A=b=c", [("A", "b=c")]),
        ],
    )
    def test_pairs(self, text, pairs):
        (env,) = instructions(f"FROM a\n{text}")
        assert [(pair.name, pair.value) for pair in env.pairs] == pairs

    def test_flags_end_at_two_dashes(self):
        (copy,) = instructions("FROM a\nCOPY --link -- --x /y")
        assert copy.link is True
        assert copy.sources == ("--x",)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("COPY --chwon=1 a b", "unknown flag: --chwon (did you mean chown?)"),
            ("COPY --chown=1 --chown=2 a b", "duplicate flag specified: --chown"),
            ("COPY --chown a b", "missing a value on flag: --chown"),
            ("COPY --link=maybe a b", "expecting boolean value for flag --link, not: maybe"),
            ("CMD --foo a", "unknown flag: --foo"),
            ("RUN --network=x a", 'invalid network mode "x"'),
            ("COPY a", "COPY requires at least two arguments"),
            ("FROM", "FROM requires either one or three arguments"),
            ("FROM a AS 1x", 'invalid name for build stage: "1x"'),
            ("ENV", "ENV requires at least one argument"),
            ("ENV A=1 B", 'Syntax error - can\'t find = in "B"'),
            ("EXPOSE", "EXPOSE requires at least one argument"),
            ("HEALTHCHECK FOO", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
            ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
            ("HEALTHCHECK --interval=1x CMD a", 'time: unknown unit "x"'),
            ("HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)"),
            ("ONBUILD FROM a", "FROM isn't allowed as an ONBUILD trigger"),
            ("COPY <<E <<F\nE\nF", "COPY cannot accept a heredoc as a destination"),
        ],
    )
    def test_wrong_instructions(self, text, message):
        assert message in error(f"FROM a\n{text}").message
