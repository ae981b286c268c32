"""What `check_image` says of images: each problem where it is, silence where there is none."""

from __future__ import annotations

from builder.checks import CHECKS, check_image
from builder.checks.program import read_program

LOADER = "/lib64/ld-linux-x86-64.so.2"
GLIBC = {"lib64/ld-linux-x86-64.so.2": (0o755, b"x"), "lib/x86_64-linux-gnu/libc.so.6": b"x"}


def found(image, *arguments):
    return [(p.check.name, p.subject) for p in check_image(image, *arguments)]


def test_a_program_with_all_it_needs_is_fine(image, elf):
    made = image({**GLIBC, "bin/app": (0o755, elf(LOADER, ["libc.so.6"]))}, Entrypoint=["app"])
    assert found(made) == []


def test_a_program_without_its_loader_is_found(image, elf):
    made = image({"bin/app": (0o755, elf(LOADER, ["libc.so.6"]))}, Cmd=["/bin/app"])
    (problem,) = check_image(made)
    assert problem.check.name == "MissingLoader"
    assert LOADER in problem.message
    assert "glibc" in problem.hint


def test_a_library_that_a_library_needs_is_found(image, elf):
    made = image(
        {
            **GLIBC,
            "usr/lib/libmiddle.so.1": (0o644, elf(needed=["libdeep.so.2"])),
            "bin/app": (0o755, elf(LOADER, ["libmiddle.so.1", "libc.so.6"])),
        }
    )
    (problem,) = check_image(made)
    assert problem.check.name == "MissingLibrary"
    assert "libdeep.so.2 (through /usr/lib/libmiddle.so.1)" in problem.message


def test_a_library_is_found_beside_the_program_by_runpath(image, elf):
    program = elf(LOADER, ["libown.so"], runpath="$ORIGIN/../lib/own")
    made = image({**GLIBC, "opt/bin/app": (0o755, program), "opt/lib/own/libown.so": b"x"})
    assert found(made) == []


def test_a_library_where_nobody_looks_is_named_with_its_place(image, elf):
    made = image(
        {**GLIBC, "bin/app": (0o755, elf(LOADER, ["libown.so"])), "opt/lib/libown.so": b"x"}
    )
    (problem,) = check_image(made)
    assert "/opt/lib/libown.so is there" in problem.message
    assert "LD_LIBRARY_PATH" in problem.hint


def test_directories_of_ld_so_conf_and_of_the_environment_are_looked_into(image, elf):
    files = {
        **GLIBC,
        "etc/ld.so.conf": b"include /etc/ld.so.conf.d/*.conf\n",
        "etc/ld.so.conf.d/own.conf": b"# ours\n/opt/one\n",
        "opt/one/libone.so": b"x",
        "opt/two/libtwo.so": b"x",
        "bin/app": (0o755, elf(LOADER, ["libone.so", "libtwo.so"])),
    }
    assert found(image(files, Env=["LD_LIBRARY_PATH=/opt/two"])) == []
    assert found(image(files)) == [("MissingLibrary", "/bin/app")]


def test_a_program_of_musl_finds_its_libraries_in_musls_directories(image, elf):
    musl = "/lib/ld-musl-x86_64.so.1"
    program = elf(musl, ["libc.musl-x86_64.so.1", "libz.so.1"])
    files = {"lib/ld-musl-x86_64.so.1": (0o755, b"x"), "bin/app": (0o755, program)}
    assert found(image({**files, "usr/lib/libz.so.1": b"x"})) == []
    assert found(image({**files, "lib64/libz.so.1": b"x"})) == [("MissingLibrary", "/bin/app")]


def test_a_program_for_another_architecture_is_found(image, elf):
    made = image({"bin/app": (0o755, elf(machine=183))}, Entrypoint=["/bin/app"])
    (problem,) = check_image(made)
    assert problem.check.name == "ForeignArchitecture"
    assert "arm64" in problem.message
    assert "amd64" in problem.message
    made = image({"bin/app": (0o755, elf(machine=183))}, architecture="arm64")
    assert found(made) == []


def test_a_script_with_windows_line_ends_is_explained(image):
    made = image({"bin/sh": (0o755, b"x"), "start": (0o755, b"#!/bin/sh\r\n")}, Cmd=["/start"])
    (problem,) = check_image(made)
    assert problem.check.name == "MissingLoader"
    assert "CR LF" in problem.hint


def test_an_example_script_outside_path_needs_no_interpreter(image):
    made = image({"usr/share/doc/example": (0o755, b"#!/usr/bin/perl\n")})
    assert found(made) == []
    made = image({"usr/bin/tool": (0o755, b"#!/usr/bin/perl\n")})
    assert found(made) == [("MissingLoader", "/usr/bin/tool")]


def test_the_bases_own_programs_are_not_judged(image, elf):
    base = {"bin/odd": (0o755, elf(LOADER, ["libgone.so"]))}
    assert found(image(base, {"app": b"x"}), 1) == []
    assert found(image(base, {"app": b"x"}), 0) == [("MissingLoader", "/bin/odd")]


def test_users_and_groups_that_are_not_there_are_found(image):
    files = {
        "etc/passwd": b"app:x:1000:1000::/:/bin/sh\n",
        "etc/group": b"staff:x:50:\n",
    }
    for user in ("app", "app:staff", "1234", "", "app:99"):
        assert found(image(files, User=user)) == []
    assert found(image(files, User="appp")) == [("UnknownUser", "appp")]
    assert found(image(files, User="app:nobody")) == [("UnknownUser", "app:nobody")]
    assert found(image({}, User="app")) == [("UnknownUser", "app")]


def test_a_missing_or_unexecutable_entrypoint_is_found(image):
    assert found(image({}, Entrypoint=["/srv/app"])) == [("ProgramNotFound", "/srv/app")]
    assert found(image({"srv/app": b"x"}, Entrypoint=["/srv/app"])) == [
        ("ProgramNotExecutable", "/srv/app")
    ]
    assert found(image({"srv/app": None}, Cmd=["/srv/app"])) == [
        ("ProgramNotExecutable", "/srv/app")
    ]
    files = {"srv/app": (0o755, b"x")}
    assert found(image(files, Cmd=["./app"], WorkingDir="/srv")) == []
    assert found(image(files, Cmd=["app"], Env=["PATH=/srv"])) == []
    assert found(image(files, Cmd=["app"])) == [("ProgramNotFound", "app")]


def test_links_lead_to_what_a_process_inside_would_see(image):
    files = {"usr/bin/app": (0o755, b"x"), "bin": "usr/bin", "start": "/bin/../bin/app"}
    assert found(image(files, Entrypoint=["/start"])) == []
    around = {"a": "b", "b": "a"}
    assert found(image(around, Entrypoint=["/a"])) == [("ProgramNotFound", "/a")]
    outside = {"app": (0o755, b"x"), "up": "../../../app"}
    assert found(image(outside, Entrypoint=["/up"])) == []


def test_what_a_later_layer_deletes_is_gone(image):
    first = {"srv/app": (0o755, b"x"), "srv/other": b"x"}
    assert found(image(first, {"srv/.wh.app": b""}, Cmd=["/srv/app"])) == [
        ("ProgramNotFound", "/srv/app")
    ]
    assert found(image(first, {"srv/.wh..wh..opq": b""}, Cmd=["/srv/app"])) == [
        ("ProgramNotFound", "/srv/app")
    ]
    assert found(image(first, {"srv": b"a file"}, Cmd=["/srv/app"])) == [
        ("ProgramNotFound", "/srv/app")
    ]


def test_files_deleted_later_are_counted_with_their_step(image):
    made = image(
        {"cache/a": bytes(2 << 20), "cache/b": bytes(1 << 20), "kept": bytes(3 << 20)},
        {".wh.cache": b""},
        history=["RUN fetch", "RUN rm -r /cache"],
    )
    (problem,) = check_image(made)
    assert problem.check.name == "DeletedLater"
    assert "layer 1 (RUN fetch) carries 3" in problem.message
    assert "layer 2 deletes or replaces: /cache/a" in problem.message
    assert check_image(made, 1) == []


def test_a_little_waste_is_not_worth_a_word(image):
    assert found(image({"a": bytes(1000)}, {".wh.a": b""})) == []


def test_damaged_programs_are_no_programs(elf):
    whole = elf(LOADER, ["libc.so.6"], runpath="/x")
    for length in range(4, len(whole)):
        read_program(whole[:length])
    for position in range(4, len(whole)):
        broken = bytearray(whole)
        broken[position] ^= 0xFF
        read_program(bytes(broken))


def test_every_check_has_its_page():
    from pathlib import Path

    docs = Path(__file__).parents[3] / "docs"
    for check in CHECKS.values():
        page = (docs / check.page).read_text()
        assert page.startswith(f"# {check.name}\n"), check.page
        assert check.summary in page, check.page
    assert len(list((docs / "image-checks").iterdir())) == len(CHECKS)
