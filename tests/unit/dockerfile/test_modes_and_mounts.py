"""--chmod and --mount."""

from __future__ import annotations

import pytest

from builder.dockerfile import DockerfileError
from builder.dockerfile.modes import parse_mode
from builder.dockerfile.mounts import parse_mount, parse_size


@pytest.mark.parametrize(
    ("text", "before", "is_directory", "after"),
    [
        ("0644", 0o777, False, 0o644),
        ("4755", 0o600, False, 0o4755),
        ("u+x", 0o644, False, 0o744),
        ("a+x", 0o644, False, 0o755),
        ("+x", 0o644, False, 0o755),
        ("go-rwx", 0o777, False, 0o700),
        ("u=rw,go=r", 0o777, False, 0o644),
        ("go=u", 0o640, False, 0o666),
        ("o=g", 0o750, False, 0o755),
        ("a+X", 0o644, False, 0o644),
        ("a+X", 0o744, False, 0o755),
        ("a+X", 0o644, True, 0o755),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o600, True, 0o755),
        ("u+s", 0o755, False, 0o4755),
        ("g+s", 0o755, False, 0o2755),
        ("+t", 0o755, True, 0o1755),
        ("u-s", 0o4755, False, 0o755),
        ("a=", 0o755, False, 0o000),
        ("u+rw-x", 0o500, False, 0o600),
    ],
)
def test_modes(text, before, is_directory, after):
    assert parse_mode(text).apply(before, is_directory=is_directory) == after


@pytest.mark.parametrize("text", ["8", "10000", "u", "x+u", "u+z", ",", "u=r,", "+", "-1"])
def test_wrong_modes(text):
    if text == "+":
        assert parse_mode(text).apply(0o644, is_directory=False) == 0o644
        return
    with pytest.raises(DockerfileError):
        parse_mode(text)


def mount(text):
    return parse_mount(text, lambda word: word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/x", {"type": "bind", "target": "/x", "readonly": True}),
        ("target=/x,rw", {"readonly": False}),
        ("target=/x,readonly=false", {"readonly": False}),
        ("dst=/x,src=/y", {"target": "/x", "source": "/y"}),
        ("destination=/x", {"target": "/x"}),
        ("TYPE=Cache,TARGET=/x", {"type": "cache", "target": "/x", "readonly": False}),
        ("type=cache,target=/x,ro", {"readonly": True}),
        ("type=cache,target=/x,sharing=locked,mode=0700,uid=1", {"sharing": "locked", "mode": 448}),
        ("type=tmpfs,target=/x,size=1g", {"size": 1 << 30}),
        ("type=secret,id=s,env=S", {"id": "s", "env": "S"}),
        ("type=secret,id=s,required", {"required": True}),
        ("type=ssh", {"type": "ssh"}),
        ('type=bind,"target=/a,b"', {"target": "/a,b"}),
        ('"target=/a""b"', {"target": '/a"b'}),
    ],
)
def test_mounts(text, expected):
    options = mount(text)
    assert {name: getattr(options, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "failed to parse csv mounts: EOF"),
        ("type=cahce", 'unsupported mount type "cahce" (did you mean cache?)'),
        ("foo=1", "unexpected key 'foo' in 'foo=1'"),
        ("frm=1", "(did you mean from?)"),
        ("foo", "invalid field 'foo' must be a key=value pair"),
        ("type=cache,target=/x,required=true", "unexpected key 'required' for mount type 'cache'"),
        ("type=cache,sharing=foo", 'unsupported sharing value "foo"'),
        ("type=ssh,sharing=shared", "invalid cache sharing set for ssh mount"),
        ("ro=maybe", "invalid value for ro: maybe"),
        ("type=cache,mode=9", "invalid value 9 for mode"),
        ("type=cache,uid=-1", "invalid value -1 for uid"),
        ("type=tmpfs,size=foo", "invalid value for size: foo"),
        ("from=$X", "'from' doesn't support variable expansion"),
        ("type=secret,from=a,id=b", "secret mount should not have a from"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,source=a,id=b", "both source and id can't be set"),
        ("type=tmpfs,target=/x,mode=7", 'mode not allowed for "tmpfs" type mounts'),
        ('"open', 'extraneous or missing " in quoted-field'),
        ('a"b', 'bare " in non-quoted field'),
    ],
)
def test_wrong_mounts(text, message):
    from builder.dockerfile.mounts import check_before_expansion

    with pytest.raises(DockerfileError) as caught:
        check_before_expansion(text)
        mount(text)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1k", 1024), ("1KB", 1024), ("1.5MiB", 3 << 19), ("2g", 2 << 30), ("10b", 10)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1x", "1 2", "1e3", "0x10", "9" * 40])
def test_wrong_sizes(text):
    with pytest.raises(ValueError, match="invalid size"):
        parse_size(text)
