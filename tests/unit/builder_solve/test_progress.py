"""What is shown while a build goes on."""

from __future__ import annotations

import io
import re

import pytest

from builder.progress import PlainDisplay, QuietDisplay, TerminalDisplay, new_display
from builder.progress.text import LONGEST_LINE, Lines, duration, fitted, shown, size, width


def times_hidden(text):
    """The text with every time as T, so that no clock decides a test."""
    return re.sub(r"\d+\.\d+s|(?<=#\d )\d+\.\d{3}", "T", text)


@pytest.fixture
def plain():
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display.text = lambda: times_hidden(stream.getvalue())
    return display


class TestPlain:
    def test_a_cached_step_is_one_line(self, plain):
        plain.begin("build 2/5", "COPY . /src").cached()
        assert plain.text() == "#1 [build 2/5] COPY . /src  CACHED\n"

    def test_an_executed_step_says_why(self, plain):
        line = plain.begin("2/2", "COPY . /src")
        line.running("1 file changed: a.c")
        line.done()
        assert plain.text() == "#1 [2/2] COPY . /src  T  (1 file changed: a.c)\n"

    def test_run_is_announced_and_its_output_prefixed(self, plain):
        line = plain.begin("2/2", "RUN make")
        line.running("first build")
        line.output(b"cc -o a\nld ")
        line.output(b"a\nno end")
        line.done()
        assert plain.text().splitlines() == [
            "#1 [2/2] RUN make  (first build)",
            "#1 T cc -o a",
            "#1 T ld a",
            "#1 T no end",
            "#1 [2/2] RUN make  T",
        ]

    def test_steps_are_numbered_in_the_order_they_come(self, plain):
        one, two = plain.begin("a 1/1", "RUN x"), plain.begin("b 1/1", "RUN y")
        two.cached()
        one.cached()
        assert plain.text() == "#2 [b 1/1] RUN y  CACHED\n#1 [a 1/1] RUN x  CACHED\n"

    def test_a_failed_step_says_so_and_keeps_its_last_lines(self, plain):
        line = plain.begin("2/2", "RUN make")
        line.running("")
        line.output(b"".join(b"%d\n" % n for n in range(30)))
        line.failed("ERROR")
        assert plain.text().endswith("#1 [2/2] RUN make  ERROR\n")
        assert line.tail() == tuple(str(n) for n in range(20, 30))

    def test_a_here_document_is_shown_by_its_first_line(self, plain):
        plain.begin("2/2", "RUN <<E\necho a\nE").cached()
        assert plain.text() == "#1 [2/2] RUN <<E…  CACHED\n"

    def test_a_long_instruction_is_cut(self, plain):
        plain.begin("2/2", "RUN " + "x" * 1000).cached()
        assert len(plain.text()) < 200

    def test_notes_have_their_own_line(self, plain):
        plain.note("something")
        assert plain.text() == "something\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"plain", "plain"),
        (b"tab\tkept", "tab\tkept"),
        (b"10%\r20%\r30%", "30%"),
        (b"dos\r", "dos"),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        (b"\x1b[2J\x1b[Hgone", "gone"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bPdevice\x1b\\control", "control"),
        (b"\x1bc reset", " reset"),
        (b"bell\x07back\x08", "bellback"),
        ("\u202eevil".encode(), "evil"),
        (b"\xff\xfe", "��"),
        ("\x9b31m".encode(), "31m"),
    ],
)
def test_output_cannot_move_the_cursor(data, expected):
    assert shown(data) == expected


def test_an_endless_line_is_shown_in_pieces():
    lines = Lines()
    assert len(lines.feed(b"x" * (LONGEST_LINE * 3 + 5))) == 3
    assert lines.finish() == ["xxxxx"]


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("short", 10, "short"),
        ("exactly10!", 10, "exactly10!"),
        ("much too long", 10, "much too …"),
        ("漢字漢字", 8, "漢字漢字"),
        ("漢字漢字", 7, "漢字漢…"),
        ("漢字漢字", 6, "漢字…"),
        ("é" * 5, 3, "éé…"),
        ("anything", 1, "…"),
        ("anything", 0, ""),
    ],
)
def test_text_is_cut_by_the_columns_it_takes(text, columns, expected):
    assert fitted(text, columns) == expected
    assert width(fitted(text, columns)) <= max(columns, 0)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.04, "0.0s"), (12.34, "12.3s"), (59.9, "59.9s"), (125, "2m 05s")]
)
def test_durations(seconds, expected):
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (999_960, "1.0 MB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_sizes(count, expected):
    assert size(count) == expected


class Screen:
    """As much of a terminal as the live display uses: what stands on it after all was written."""

    def __init__(self, columns=60, rows=20):
        self.columns, self.rows = columns, rows
        self.lines = [""]
        self.row = 0
        self.cursor_is_shown = True

    def write(self, text):
        for part in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
            if part == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif part == "\r":
                pass
            elif part.startswith("\x1b"):
                self._escape(part)
            else:
                self.lines[self.row] += part
                assert width(self.lines[self.row]) <= self.columns

    def _escape(self, part):
        if part.endswith("A"):
            self.row -= int(part[2:-1])
            assert self.row >= 0
        elif part == "\x1b[J":
            self.lines[self.row :] = [""]
        elif part in ("\x1b[?25l", "\x1b[?25h"):
            self.cursor_is_shown = part.endswith("h")
        else:
            assert part.endswith("m") or part in ("\x1b[?7l", "\x1b[?7h"), part

    def flush(self):
        pass

    def text(self):
        return [times_hidden(line).rstrip() for line in self.lines if line]


class TestTerminal:
    def display(self, **size):
        screen = Screen(**size)
        display = TerminalDisplay(
            screen, size=lambda: (screen.columns, screen.rows), colours=False, redraw=False
        )
        return screen, display

    def test_finished_steps_scroll_away_and_running_ones_stay_below(self):
        screen, display = self.display()
        one, two = display.begin("a 1/2", "RUN one"), display.begin("b 1/2", "RUN two")
        one.running("first build")
        two.running("")
        one.output(b"hello\n")
        display.note("a note")
        assert screen.text() == [
            "a note",
            "=> [a 1/2] RUN one" + " " * 38 + "T",
            "   | hello",
            "=> [b 1/2] RUN two" + " " * 38 + "T",
        ]
        one.done()
        assert [line.split("  ")[0] for line in screen.text()] == [
            "a note",
            "=> [a 1/2] RUN one",
            "",
            "=> [b 1/2] RUN two",
        ]
        assert screen.text()[2] == "   first build"

    def test_nothing_is_left_of_the_live_part_at_the_end(self):
        screen, display = self.display()
        line = display.begin("a 1/1", "RUN one")
        line.running("")
        line.output(b"x\n" * 5)
        display.note("redraw")
        assert not screen.cursor_is_shown
        display.close()
        assert screen.text() == ["redraw"]
        assert screen.cursor_is_shown

    def test_a_cached_step_is_one_row(self):
        screen, display = self.display()
        display.begin("a 1/1", "COPY . /").cached()
        assert screen.text() == ["=> [a 1/1] COPY ." + " /".ljust(37) + "CACHED"]

    @pytest.mark.parametrize("columns", [200, 60, 39, 20, 8, 1])
    def test_no_row_is_wider_than_the_terminal(self, columns):
        screen, display = self.display(columns=columns)
        line = display.begin("stage 10/20", "RUN " + "echo 漢字 " * 40)
        line.running("a reason that is rather long " * 3)
        line.output("wide 漢字 output ".encode() * 20 + b"\n")
        display.note("!")  # a note may be as long as it likes: it is never drawn over
        line.done()
        display.close()

    def test_there_are_never_more_rows_than_the_terminal_has(self):
        screen, display = self.display(rows=12)
        lines = [display.begin(f"s{n} 1/1", f"RUN {n}") for n in range(40)]
        for line in lines:
            line.running("")
            line.output(b"one\ntwo\nthree\n")
        display.note("now")
        assert len(screen.text()) <= 12
        assert "and 31 more" in screen.text()[-1]

    def test_a_low_terminal_shows_no_output(self):
        screen, display = self.display(rows=8)
        line = display.begin("a 1/1", "RUN x")
        line.running("")
        line.output(b"output\n")
        display.note("now")
        assert not any("output" in row for row in screen.text())


class TestChoice:
    def stream(self, *, is_terminal):
        stream = io.StringIO()
        stream.isatty = lambda: is_terminal
        return stream

    @pytest.mark.parametrize(
        ("kind", "is_terminal", "environ", "expected"),
        [
            ("auto", True, {"TERM": "xterm"}, TerminalDisplay),
            ("auto", False, {"TERM": "xterm"}, PlainDisplay),
            ("auto", True, {"TERM": "xterm", "CI": "true"}, PlainDisplay),
            ("auto", True, {"TERM": "dumb"}, PlainDisplay),
            ("auto", True, {}, PlainDisplay),
            ("plain", True, {"TERM": "xterm"}, PlainDisplay),
            ("tty", False, {}, TerminalDisplay),
            ("quiet", True, {"TERM": "xterm"}, QuietDisplay),
        ],
    )
    def test_the_display_suits_the_stream(self, kind, is_terminal, environ, expected):
        display = new_display(kind, self.stream(is_terminal=is_terminal), environ)
        display.close()
        assert type(display) is expected

    def test_quiet_keeps_what_a_failure_needs(self):
        line = QuietDisplay().begin("1/1", "RUN x")
        line.running("")
        line.output(b"why it failed")
        line.failed("ERROR")
        assert line.tail() == ("why it failed",)
