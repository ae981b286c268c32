"""events: the interval, as Go programs write it."""

from __future__ import annotations

import pytest

from pyoci.commands.events import seconds
from pyoci.errors import UsageError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5s", 5),
        ("100ms", 0.1),
        ("1m30s", 90),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("+2s", 2),
        ("3us", 3e-6),
        ("3µs", 3e-6),
        ("7ns", 7e-9),
        ("1h1m1s1ms", 3661.001),
    ],
)
def test_durations_of_go(text: str, number: float) -> None:
    assert seconds(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["0", "0s", "-5s", "-0", "0h0m"])
def test_an_interval_is_longer_than_nothing(text: str) -> None:
    with pytest.raises(UsageError, match="duration interval must be greater than 0"):
        seconds(text)


@pytest.mark.parametrize("text", ["5", "s", "5x", "5s5", "5 s", "1.2.3s", ".s", "٣s", "5ss"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--interval"):
        seconds(text)
