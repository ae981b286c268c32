"""RUN: what the process sees, and what of it is in the layer."""

from __future__ import annotations

import hashlib

import pytest


def test_shell_exec_and_here_document_forms(bench):
    built = bench.build(
        "FROM busybox\n"
        'RUN echo "shell $0" > /a\n'
        'RUN ["/bin/sh", "-c", "echo exec > /b"]\n'
        "RUN <<EOF\necho one > /c\necho two >> /c\nEOF\n"
        "RUN <<EOF\n#!/bin/cat\nscript\nEOF\n"
        "RUN cat <<A >/d\nfrom a\nA\n"
    )
    assert built.files() == {
        "a": b"shell /bin/sh\n",
        "b": b"exec\n",
        "c": b"one\ntwo\n",
        "d": b"from a\n",
    }
    assert "script" in built.log


def test_the_layer_holds_what_changed_and_nothing_else(bench):
    built = bench.build("FROM busybox\nRUN echo x > /etc/new && rm /etc/group && touch /tmp/t")
    (layer,) = built.layers()
    assert sorted(layer) == ["etc", "etc/.wh.group", "etc/new", "tmp", "tmp/t"]


@pytest.mark.parametrize(
    "command",
    [
        "true",
        "cat /etc/resolv.conf /etc/hosts > /dev/null",
        "touch /dev/x /dev/shm/y",
        "--mount=type=tmpfs,target=/new/deep touch /new/deep/x",
        "--mount=type=bind,target=/new/ctx cat /new/ctx/Dockerfile",
        "--mount=type=cache,target=/var/cache/x touch /var/cache/x/y",
        "--network=none true",
        "<<E\n#!/bin/sh\ntrue\nE",
    ],
)
def test_mount_points_leave_no_trace(bench, command):
    built = bench.build(f"FROM busybox\nRUN {command}")
    assert built.layers() == []
    assert built.image.config["history"][-1]["empty_layer"] is True


def test_mount_points_in_an_empty_image_leave_no_trace(bench):
    with open("/bin/busybox", "rb") as file:
        bench.write("busybox", file.read(), 0o755)
    built = bench.build('FROM scratch\nCOPY busybox /busybox\nRUN ["/busybox", "true"]')
    assert [sorted(layer) for layer in built.layers()] == [["busybox"]]


def test_what_a_step_writes_into_a_mount_point_of_its_own_stays(bench):
    built = bench.build(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/a/b umount /a/b 2>/dev/null; echo x > /a/c"
    )
    (layer,) = built.layers()
    assert "a/c" in layer


def test_environment_directory_and_user(bench):
    built = bench.build(
        "FROM busybox\nENV A=1\nARG B=2\nWORKDIR /work\nUSER app\n"
        "RUN id > /tmp/id; pwd > /tmp/pwd; env > /tmp/env; hostname > /tmp/hostname\n"
    )
    files = built.files()
    assert files["tmp/id"] == b"uid=1000(app) gid=1001(app) groups=29(audio),1001(app)\n"
    assert files["tmp/pwd"] == b"/work\n"
    env = dict(line.split(b"=", 1) for line in files["tmp/env"].splitlines())
    assert (env[b"A"], env[b"B"], env[b"HOME"]) == (b"1", b"2", b"/home/app")
    assert files["tmp/hostname"] == b"buildkitsandbox\n"


def test_workdir_belongs_to_the_user(bench):
    built = bench.build("FROM busybox\nUSER app\nWORKDIR /w/x\nRUN touch /w/x/mine")
    first, second = built.layers()
    assert (first["w/x"].uid, first["w/x"].gid, first["w/x"].mode) == (1000, 1001, 0o755)
    assert second["w/x/mine"].uid == 1000


def test_an_ordinary_user_cannot_write_what_is_roots(bench):
    built = bench.build("FROM busybox\nUSER app\nRUN touch /etc/x", check=False)
    assert built.status == 1
    assert "Permission denied" in built.log


def test_a_step_is_alone_with_its_processes(bench):
    built = bench.build("FROM busybox\nRUN ps > /out; echo $$ >> /out")
    lines = built.files()["out"].decode().splitlines()
    assert lines[-1] == "1" or len(lines) <= 4


def test_a_step_cannot_mount_or_make_devices_that_work(bench):
    built = bench.build(
        "FROM busybox\nRUN mkdir /m; mount -t tmpfs x /m 2>/out; echo $? >> /out\n"
        "RUN mknod /dev/sda b 8 0; cat /dev/sda 2>> /out; true\n"
    )
    assert "Operation not permitted" in built.files()["out"].decode()


def test_a_step_is_filtered_and_an_insecure_one_is_not(bench):
    text = "FROM busybox\nRUN {}grep Seccomp: /proc/self/status > /out"
    assert bench.build(text.format("")).files()["out"].split() == [b"Seccomp:", b"2"]
    built = bench.build(text.format("--security=insecure "), "--allow", "security.insecure")
    assert built.files()["out"].split() == [b"Seccomp:", b"0"]


def test_no_network_means_only_the_loopback(bench):
    built = bench.build("FROM busybox\nRUN --network=none ls /sys/class/net > /out")
    assert built.files()["out"] == b"lo\n"


@pytest.mark.parametrize(
    ("flag", "entitlement"),
    [("--network=host", "network.host"), ("--security=insecure", "security.insecure")],
)
def test_entitlements_must_be_granted(bench, flag, entitlement):
    text = f"FROM busybox\nRUN {flag} true"
    built = bench.build(text, check=False)
    assert built.status == 1
    assert f"Dockerfile:2:5: {entitlement} is not allowed" in built.log
    assert f"--allow {entitlement}" in built.log
    assert bench.build(text, "--allow", entitlement).status == 0


def test_an_insecure_step_may_mount(bench):
    text = "FROM busybox\nRUN --security=insecure mkdir /m && mount -t tmpfs x /m"
    bench.build(text, "--allow", "security.insecure")


def test_a_cache_mount_outlives_the_build_and_is_in_no_layer(bench):
    text = "FROM busybox\nARG N\nRUN --mount=type=cache,target=/c echo $N >> /c/log; cp /c/log /out"
    bench.build(text, "--build-arg", "N=1")
    built = bench.build(text, "--build-arg", "N=2")
    assert built.files() == {"out": b"1\n2\n"}


def test_cache_mounts_of_other_namespaces_are_other_caches(bench):
    text = "FROM busybox\nRUN --mount=type=cache,target=/c echo >> /c/log; wc -l < /c/log > /out"
    bench.build(text)
    options = ("--no-cache", "--build-arg", "BUILDKIT_CACHE_MOUNT_NS=other")
    assert bench.build(text, *options).files()["out"].strip() == b"1"
    assert bench.build(text, "--no-cache").files()["out"].strip() == b"2"


def test_a_cache_mount_takes_mode_owner_and_first_content(bench):
    bench.write("seed/file", "hello")
    built = bench.build(
        "FROM scratch AS seed\nCOPY seed /seed\nFROM busybox\n"
        "RUN --mount=type=cache,target=/c,mode=0750,uid=1000,gid=29,from=seed,source=/seed"
        " stat -c '%a %u %g' /c > /out; cat /c/file >> /out\n"
    )
    assert built.files()["out"] == b"750 1000 29\nhello"


def test_a_bind_mount_of_the_context_shows_what_is_not_ignored(bench):
    bench.write("a", "1")
    bench.write("secret", "2")
    bench.write(".dockerignore", "secret")
    built = bench.build("FROM busybox\nRUN --mount=target=/ctx ls /ctx > /out")
    assert built.files()["out"] == b"Dockerfile\na\n"


def test_writes_to_bind_mounts_are_thrown_away(bench):
    bench.write("a", "1")
    built = bench.build(
        "FROM busybox AS other\nRUN echo o > /o\nFROM busybox\n"
        "RUN --mount=target=/ctx,rw --mount=from=other,target=/other,rw"
        " echo 2 > /ctx/a && echo 2 > /other/o && cat /ctx/a /other/o > /out\n"
        "RUN --mount=target=/ctx --mount=from=other,target=/other cat /ctx/a /other/o > /after\n"
    )
    assert built.files() == {"out": b"2\n2\n", "after": b"1o\n"}
    assert (bench.context / "a").read_text() == "1"


def test_read_only_bind_mounts_are(bench):
    bench.write("a", "1")
    built = bench.build("FROM busybox\nRUN --mount=target=/ctx echo 2 > /ctx/a", check=False)
    assert built.status == 1
    assert "Read-only file system" in built.log


def test_a_bind_mount_of_one_file_of_a_stage(bench):
    built = bench.build(
        "FROM busybox AS other\nRUN mkdir /d && echo o > /d/o && ln -s /d /link\nFROM busybox\n"
        "RUN --mount=from=other,source=/link/o,target=/file cat /file > /out\n"
    )
    assert built.files() == {"out": b"o\n"}


def test_a_missing_source_of_a_bind_mount_is_named(bench):
    built = bench.build("FROM busybox\nRUN --mount=source=/nope,target=/x true", check=False)
    assert 'Dockerfile:2:21: "/nope" not found in the build context' in built.log


def test_secrets_reach_the_step_and_nothing_else(bench, tmp_path):
    (tmp_path / "secret").write_text("hunter2-file")
    text = (
        "FROM busybox\n"
        "RUN --mount=type=secret,id=s,mode=0440,gid=29 --mount=type=secret,id=v,env=V"
        " cat /run/secrets/s > /dev/null; stat -c '%a %g' /run/secrets/s > /out;"
        ' printf %s "$(cat /run/secrets/s)$V" | busybox sha256sum >> /out\n'
    )
    options = ("--secret", f"id=s,src={tmp_path}/secret", "--secret", "id=v,env=THE_SECRET")
    built = bench.build(text, *options, env={"THE_SECRET": "hunter2-env"})
    digest = hashlib.sha256(b"hunter2-filehunter2-env").hexdigest()
    assert built.files() == {"out": f"440 29\n{digest}  -\n".encode()}
    for directory, _, files in __import__("os").walk(bench.store):
        for name in files:
            with open(f"{directory}/{name}", "rb") as file:
                assert b"hunter2-" not in file.read()


def test_a_secret_that_is_not_given(bench):
    text = "FROM busybox\nRUN --mount=type=secret,id=s test ! -e /run/secrets/s"
    assert bench.build(text).status == 0
    built = bench.build(text.replace("id=s ", "id=s,required "), check=False)
    assert "Dockerfile:2" in built.log and "--secret id=s,src=FILE" in built.log


def test_the_ssh_agent_reaches_the_step(bench, tmp_path):
    import socket

    path = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        built = bench.build(
            "FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo yes > /out",
            *("--ssh", f"default={path}"),
        )
    assert built.files() == {"out": b"yes\n"}


def test_a_failing_step_shows_where_and_what(bench):
    built = bench.build(
        "FROM busybox\nENV A=1\nRUN echo out; echo err >&2; \\\n    exit 7\nCMD x", check=False
    )
    assert built.status == 1
    shown = built.log[built.log.index("-----") :]
    assert "> [2/2] RUN echo out; echo err >&2;     exit 7:\nout\nerr\n" in shown
    assert "   3 | >>> RUN echo out; echo err >&2; \\\n   4 | >>>     exit 7\n" in shown
    assert shown.splitlines()[-1].startswith("pyoci-builder: Dockerfile:3: process")
    assert shown.splitlines()[-1].endswith("did not complete successfully: exit code: 7")
    bench.check_clean()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('RUN ["/nope"]', "no such file or directory"),
        ('RUN ["/etc/passwd"]', "permission denied"),
        ("USER nobody\nRUN x", "unable to find user nobody"),
        ('SHELL ["/bin/bash", "-c"]\nRUN x', "no such file or directory"),
    ],
)
def test_a_step_that_cannot_start_shows_its_line(bench, text, expected):
    built = bench.build(f"FROM busybox\n{text}", check=False)
    assert built.status == 1
    assert expected in built.log
    line = f"FROM busybox\n{text}".count("\n") + 1
    assert f"pyoci-builder: Dockerfile:{line}" in built.log
    bench.check_clean()


def test_a_process_in_the_background_ends_with_the_step(bench):
    built = bench.build("FROM busybox\nRUN setsid sleep 1000 & echo done > /out")
    assert built.files() == {"out": b"done\n"}


def test_a_step_that_closes_its_output_is_still_waited_for(bench):
    built = bench.build("FROM busybox\nRUN exec >&- 2>&-; sleep 0.2; echo late > /out")
    assert built.files() == {"out": b"late\n"}


def test_standard_input_is_empty(bench):
    assert bench.build("FROM busybox\nRUN cat > /out").files() == {"out": b""}
