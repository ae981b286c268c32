"""What an overlay notes of changes, as the entries of a layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builder.layer import Layer
from builder.layer import entry as kinds
from builder.layer.entry import Entry

Run = Callable[[list[Layer], str], Layer | None]
Names = Callable[[Layer | None], list[str]]
Entries = Callable[[Layer | None], dict[str, Entry]]
Seen = Callable[[list[Layer]], dict[str, tuple[object, ...]]]


@pytest.mark.parametrize(
    "script",
    [
        "true",
        "cat d/g; ls -R; test -e nothing || true",
        "touch d/new; rm d/new; touch -d @1000 d",
        "touch -d @1004 same",
        "echo -n same > same; touch -d @1004 same",
        "chmod 600 same; chmod 644 same",
        "mv d/e/f d/e/x; mv d/e/x d/e/f; touch -d @1000 d/e",
        "mkdir t; touch t/a; rm -r t",
    ],
)
def test_what_changes_nothing_makes_no_layer(base: Layer, run: Run, script: str) -> None:
    assert run([base], script) is None


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo x > d/e/new", ["d/", "d/e/", "d/e/new"]),
        ("echo G > d/e/f", ["d/", "d/e/", "d/e/f"]),
        ("chmod 600 d/e/f", ["d/", "d/e/", "d/e/f"]),
        ("chown 7:8 same", ["same"]),
        ("touch -d @5 same", ["same"]),
        ("touch -d @5 d", ["d/"]),
        ("chmod 700 d/e", ["d/", "d/e/"]),
        ("echo -n SAME > same; touch -d @1004 same", ["same"]),
        ("rm same", [".wh.same"]),
        ("rm -r d", [".wh.d"]),
        ("rm d/e/f; touch -d @1000 d/e", ["d/", "d/e/", "d/e/.wh.f"]),
        ("rm -r o; mkdir o", ["o/", "o/.wh.a", "o/.wh.b", "o/.wh.s"]),
        ("rm -r o; mkdir o; touch o/b", ["o/", "o/.wh.a", "o/.wh.s", "o/b"]),
        (
            "rm -r o; mkdir -p o/s; touch o/s/n",
            ["o/", "o/.wh.a", "o/.wh.b", "o/s/", "o/s/.wh.c", "o/s/n"],
        ),
        ("rm -r o; touch o", ["o"]),
        ("rm same; mkdir same; touch same/x", ["same/", "same/x"]),
        ("rm -r d; ln -s o d", ["d"]),
        ("ln -sfn elsewhere l", ["l"]),
        ("rm d/g; touch -d @1000 d", ["d/", "d/.wh.g"]),
        ("echo x > n1; ln n1 n2; ln n1 d/n3", ["d/", "d/n3", "n1", "n2"]),
        ("mkfifo p; mknod b b 7 0; mknod c c 1 5", ["b", "c", "p"]),
        ("mkdir a a-b; touch a/x a-b/x a.c", ["a/", "a/x", "a-b/", "a-b/x", "a.c"]),
        ("touch .wh2 .zz; rm same", [".wh.same", ".wh2", ".zz"]),
        ("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'; touch x", ["x"]),
    ],
)
def test_a_change_is_exactly_these_entries(
    base: Layer, run: Run, names: Names, script: str, expected: list[str]
) -> None:
    assert names(run([base], script)) == expected


def test_entries_say_all_that_tar_can_say(base: Layer, run: Run, entries: Entries) -> None:
    found = entries(
        run(
            [base],
            "echo -n new > d/e/f; chown 70000:80000 d/e/f; chmod 6711 d/e/f; touch -d @77.5 d/e/f;"
            "mknod b b 8 17; chown 5:6 b; ln -s ../x s; chown -h 9:9 s; mkdir m; chmod 1777 m",
        )
    )
    file = found["d/e/f"]
    assert (file.mode, file.uid, file.gid, file.size, file.mtime) == (0o6711, 70000, 80000, 3, 77)
    assert (found["b"].kind, found["b"].device, found["b"].uid) == (kinds.BLOCK_DEVICE, (8, 17), 5)
    assert (found["s"].kind, found["s"].target, found["s"].uid) == (kinds.SYMLINK, b"../x", 9)
    assert (found["m/"].kind, found["m/"].mode) == (kinds.DIRECTORY, 0o1777)


def test_capabilities_and_user_attributes_are_kept(
    base: Layer, run: Run, entries: Entries, seen: Seen
) -> None:
    layer = run(
        [base],
        "cat > ping </dev/null; setcap cap_net_raw+ep ping; setx d/e user.a b; "
        "setx ping trusted.x y",
    )
    found = entries(layer)
    assert list(found["ping"].xattrs) == [b"security.capability"]
    assert found["d/e/"].xattrs == {b"user.a": b"b"}
    assert layer is not None
    assert seen([base, layer])["ping"][6] == dict(found["ping"].xattrs)


def test_a_changed_attribute_alone_is_a_change(base: Layer, run: Run, names: Names) -> None:
    layer = run([base], "setx same user.a b")
    assert names(layer) == ["same"]
    assert layer is not None
    assert names(run([base, layer], "rmx same user.a")) == ["same"]


def test_names_of_hardlinks_stay_names_of_one_file(
    base: Layer, run: Run, entries: Entries, seen: Seen
) -> None:
    layer = run([base], "ln d/g d/new; touch -d @1000 d")
    found = entries(layer)
    assert found["d/g"].kind == kinds.FILE
    assert (found["d/new"].kind, found["d/new"].target) == (kinds.HARDLINK, b"d/g")
    assert layer is not None
    tree = seen([base, layer])
    assert tree["d/new"][7] == tree["d/g"][7] == "d/g"


def test_times_after_the_epoch_are_the_epoch(base: Layer, run: Run, entries: Entries) -> None:
    found = entries(run([base], "touch new; touch -d @5 old; mkdir dir"))
    assert {name: entry.mtime for name, entry in found.items()} == {
        "dir/": 1_700_000_000,
        "new": 1_700_000_000,
        "old": 5,
    }


def test_a_sparse_file_is_kept_with_its_holes_as_zeros(
    base: Layer, run: Run, entries: Entries, seen: Seen
) -> None:
    layer = run([base], "truncate -s 5M sparse; printf x >> sparse")
    assert entries(layer)["sparse"].size == (5 << 20) + 1
    assert layer is not None
    assert seen([base, layer])["sparse"][5] == bytes(5 << 20) + b"x"


def test_names_are_bytes_long_and_strange(base: Layer, run: Run, names: Names, seen: Seen) -> None:
    long = "n" * 255
    layer = run(
        [base], f"mkdir -p {long}/{long}; touch {long}/{long}/{long} 'a\nb' \"$(printf '\\377')\""
    )
    assert f"{long}/{long}/{long}" in names(layer)
    assert layer is not None
    assert {f"{long}/{long}/{long}", "a\nb", "\udcff"} <= set(seen([base, layer]))


def test_the_same_changes_give_the_same_layer(base: Layer, run: Run) -> None:
    script = "mkdir -p z/y; touch z/y/x a; rm -r o; echo 1 > d/g; ln d/g d/i"
    layers = {run([base], script) for _ in range(3)}
    assert len(layers) == 1


def test_changes_to_nothing_at_all_are_a_layer(run: Run, names: Names) -> None:
    assert names(run([], "mkdir a; touch a/b")) == ["a/", "a/b"]
    assert run([], "true") is None
