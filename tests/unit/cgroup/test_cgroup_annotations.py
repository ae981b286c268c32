"""Annotations org.systemd.property.*: values in GVariant's text format, as D-Bus has them."""

from __future__ import annotations

import pytest

from pyoci.cgroup.dbus_message import SIGNATURE, Message, decode
from pyoci.cgroup.systemd_annotations import annotated_properties
from pyoci.errors import CgroupError


def properties(**values):
    return annotated_properties(
        {f"org.systemd.property.{name}": text for name, text in values.items()}
    )


@pytest.mark.parametrize(
    ("text", "signature", "value"),
    [
        ("'main.scope'", "s", "main.scope"),
        ('"it\'s"', "s", "it's"),
        (r"'a\'b\\c\nd\u00e9'", "s", "a'b\\c\ndé"),
        ("true", "b", True),
        (" false ", "b", False),
        ("5", "i", 5),
        ("-0x10", "i", -16),
        ("1.5", "d", 1.5),
        ("uint64 123456789012", "t", 123456789012),
        ("byte 255", "y", 255),
        ("int16 -5", "n", -5),
        ("@u 7", "u", 7),
        ("double 3", "d", 3.0),
        ("objectpath '/a/b'", "o", "/a/b"),
        ("['a', 'b']", "as", ["a", "b"]),
        ("@as []", "as", []),
        ("[1, 2.5]", "ad", [1.0, 2.5]),
        ("[uint32 1, 2]", "au", [1, 2]),
        ("[[], [1]]", "aai", [[], [1]]),
        ("{'a': <1>, 'b': <'x'>}", "a{sv}", [("a", ("i", 1)), ("b", ("s", "x"))]),
        ("@a{su} {}", "a{su}", []),
        ("<uint32 5>", "v", ("u", 5)),
    ],
)
def test_values(text, signature, value):
    assert properties(Some=text) == [("Some", signature, value)]
    # What is read can be sent.
    message = Message(1, 1, {SIGNATURE: "v"}, [(signature, value)])
    (received,) = decode(message.encode()).body
    plain = value[1] if signature == "v" else value
    if signature == "a{sv}":
        plain = [(key, inner) for key, (_, inner) in value]
    assert received == plain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unquoted",
        "'open",
        "[1, 'a']",
        "[]",
        "[1",
        "[1 2]",
        "{'a' 1}",
        "{'a': }",
        "5 6",
        "byte 256",
        "uint64 -1",
        "uint32 1.5",
        "1_000",
        "٣",
        "@zz 5",
        "@ii 5",
        "@s 5",
        "'\\uzzzz'",
        "<[]>",
        "[" * 100,
        "nan5",
    ],
)
def test_what_is_no_value_is_refused_with_its_place(text):
    with pytest.raises(CgroupError) as caught:
        properties(Some=text)
    assert caught.value.subject == "/annotations/org.systemd.property.Some"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "result"),
    [
        ("TimeoutStopSec", "5", ("TimeoutStopUSec", "t", 5_000_000)),
        ("TimeoutStopSec", "uint64 123", ("TimeoutStopUSec", "t", 123_000_000)),
        ("TimeoutStopSec", "1.5", ("TimeoutStopUSec", "t", 1_500_000)),
        ("TimeoutStopUSec", "uint64 7", ("TimeoutStopUSec", "t", 7)),
        ("FOOSec", "5", ("FOOSec", "i", 5)),
        ("Sec", "5", ("Sec", "i", 5)),
    ],
)
def test_seconds_become_microseconds(name, text, result):
    assert properties(**{name: text}) == [result]


@pytest.mark.parametrize("text", ["'5'", "-1", "uint64 18446744073709551615", "true"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(CgroupError, match="a time"):
        properties(TimeoutStopSec=text)


@pytest.mark.parametrize("name", ["", "ab", "Bad1", "Bad.Name", "Bäd", "a b c"])
def test_name_is_of_three_letters_or_more(name):
    with pytest.raises(CgroupError, match="no name of a property"):
        properties(**{name: "true"})


def test_other_annotations_are_nobodys_business():
    assert annotated_properties({"org.systemd.propertyX": "?", "a": "b"}) == []
