"""podman run: streams, environment, users, file systems."""

from __future__ import annotations

import pytest
from enclosure import until
from podman_engine import IMAGE, Podman


def test_output_and_exit_status_are_the_programs(podman: Podman) -> None:
    done = podman.run("--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_container_killed_by_a_signal_has_128_and_the_signal(podman: Podman) -> None:
    assert podman.run("--", "sh", "-c", "kill -9 $$; sleep 1; exit 7").returncode == 7
    # PID 1 is not killed by itself; with an init it is PID 2.
    assert podman.run("--init", "--", "sh", "-c", "kill -9 $$").returncode == 137


def test_command_of_the_image_runs_by_default(podman: Podman) -> None:
    assert podman.output() == "hello there"


def test_standard_input_reaches_the_program(podman: Podman) -> None:
    assert podman.output("-i", "--", "cat", input="from outside") == "from outside"


def test_large_output_arrives_whole(podman: Podman) -> None:
    text = podman.output("--", "seq", "1", "200000")
    assert text.split("\n")[-1] == "200000" and text.count("\n") == 199_999


def test_terminal_has_the_callers_size(podman: Podman) -> None:
    command = ["run", "--rm", "-it", "--name", podman.new_name(), IMAGE, "sh", "-c"]
    shown, status = podman.on_terminal(*command, "tty; stty size; exit 5", rows=33, columns=99)
    assert shown.split("\r\n")[:2] == ["/dev/pts/0", "33 99"]
    assert status == 5


def test_interactive_shell_on_a_terminal(podman: Podman) -> None:
    command = ["run", "--rm", "-it", "--name", podman.new_name(), IMAGE, "sh"]
    shown, status = podman.on_terminal(*command, typed="echo $((6 * 7))\nexit 4\n")
    assert "\r\n42\r\n" in shown
    assert status == 4


def test_detached_container_has_logs(podman: Podman) -> None:
    name = podman.start("--", "sh", "-c", "echo first; echo second >&2; sleep 1000")
    until(lambda: "second" in podman.call("logs", name).stderr, "the log has both lines")
    assert podman.call("logs", name).stdout == "first\n"


def test_detached_container_with_a_terminal_can_be_attached_to(podman: Podman) -> None:
    name = podman.start("-it", "--", "sh")
    shown, _ = podman.on_terminal("attach", name, typed="echo at$((1 + 1))ached; exit 6\n")
    assert "at2ached" in shown
    assert podman.ok("wait", name) == "6"


def test_environment(podman: Podman) -> None:
    text = podman.output("-e", "KEY=a value", "-e", "GREETING=", "--hostname", "named", "--", "env")
    lines = text.split("\n")
    assert {"KEY=a value", "GREETING=", "HOSTNAME=named", "container=podman"} <= set(lines)


@pytest.mark.parametrize(
    ("user", "answer"),
    [
        ("user", "uid=1000(user) gid=1000(user) groups=10(wheel),1000(user)"),
        ("1234", "uid=1234(1234) gid=0(root)"),
        ("1234:10", "uid=1234(1234) gid=10(wheel)"),
    ],
)
def test_user(podman: Podman, user: str, answer: str) -> None:
    assert podman.output("--user", user, "--", "id").startswith(answer)


def test_volume_is_shared_with_the_host(podman: Podman, tmp_path: object) -> None:
    inside = f"{podman.enclosure.directory}/volume-{podman.new_name()}"
    podman.enclosure.write(f"{inside}/given", "by the host\n")
    text = podman.shell("cat /data/given; id > /data/x", "-v", f"{inside}:/data")
    assert text == "by the host"
    assert podman.enclosure.read(f"{inside}/x").startswith("uid=0")
    denied = podman.run("-v", f"{inside}:/data:ro", "--", "touch", "/data/y")
    assert "Read-only file system" in denied.stderr and denied.returncode == 1


def test_named_volume_begins_with_the_images_files(podman: Podman) -> None:
    volume = podman.new_name()
    assert podman.output("-v", f"{volume}:/srv", "--", "cat", "/srv/index.html") == "served"
    assert podman.ok("volume", "rm", volume) == volume


def test_anonymous_volume_of_the_image_is_writable_and_removed(podman: Podman) -> None:
    before = podman.ok("volume", "ls", "--quiet")
    assert podman.shell("echo x > /volume/f; cat /volume/f", "--read-only") == "x"
    assert podman.ok("volume", "ls", "--quiet") == before


def test_read_only_root(podman: Podman) -> None:
    script = "touch /tmp/a /run/b /dev/shm/c && ! touch /etc/d 2>/dev/null && echo fine"
    assert podman.shell(script, "--read-only") == "fine"
    without = podman.run("--read-only", "--read-only-tmpfs=false", "--", "touch", "/tmp/a")
    assert without.returncode == 1


def test_tmpfs(podman: Podman) -> None:
    flags = ("--tmpfs", "/scratch:rw,size=1m,mode=1777,noexec")
    text = podman.output(
        *flags, "--", "sh", "-c", "grep ' /scratch ' /proc/mounts; stat -c %a /scratch"
    )
    fields, mode = text.split("\n")
    assert {"rw", "noexec", "nosuid", "nodev", "size=1024k"} <= set(fields.split()[3].split(","))
    assert mode == "1777"


def test_working_directory(podman: Podman) -> None:
    assert podman.output("--workdir", "/home/user", "--", "pwd") == "/home/user"
    done = podman.run("--workdir", "/new/place", "--", "pwd")
    assert 'workdir "/new/place" does not exist' in done.stderr and done.returncode == 126


def test_init_reaps_and_forwards(podman: Podman) -> None:
    assert podman.shell("cat /proc/1/comm; test $$ -gt 1", "--init") == "podman-init"


def test_entrypoint_and_command(podman: Podman) -> None:
    assert podman.output("--entrypoint", '["echo", "-n"]', "--", "a", "b") == "a b"


def test_extra_hosts_and_name_servers(podman: Podman) -> None:
    flags = ("--add-host", "there:10.9.8.7", "--dns", "10.1.1.1")
    text = podman.shell("grep there /etc/hosts; cat /etc/resolv.conf", *flags)
    assert "10.9.8.7" in text and "nameserver 10.1.1.1" in text


def test_preserved_descriptors(podman: Podman) -> None:
    name = podman.new_name()
    inner = " ".join(podman.command("run", "--rm", "--name", name, "--preserve-fds=1"))
    script = f"exec 3<<'.'\npassed on\n.\n{inner} {IMAGE} sh -c 'cat <&3'"
    assert podman.enclosure.ok("sh", "-c", script) == "passed on\n"


def test_sockets_of_a_service_manager(podman: Podman) -> None:
    """LISTEN_FDS: the descriptors from 3 on go to the container, and it is told."""
    name = podman.new_name()
    inner = " ".join(podman.command("run", "--rm", "--name", name, IMAGE))
    script = (
        "exec 3<<'.'\nlistening\n.\n"
        f"LISTEN_FDS=1 LISTEN_PID=$$ exec {inner} sh -c 'cat <&3; echo $LISTEN_FDS $LISTEN_PID'"
    )
    assert podman.enclosure.ok("sh", "-c", script) == "listening\n1 1\n"


def test_ulimit_and_sysctl(podman: Podman) -> None:
    limits = ("--ulimit", "nofile=123:456", "--ulimit", "nproc=1000:1000")
    flags = (*limits, "--sysctl", "net.ipv4.ip_default_ttl=77")
    script = "ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_default_ttl"
    assert podman.shell(script, *flags) == "123\n456\n77"


def test_shared_memory_size(podman: Podman) -> None:
    script = "grep ' /dev/shm ' /proc/mounts"
    assert "size=8192k" in podman.shell(script, "--shm-size", "8m")


def test_timezone_and_umask(podman: Podman) -> None:
    assert podman.shell("umask", "--umask", "0077") == "0077"


def test_secret_is_a_file(podman: Podman) -> None:
    secret = podman.new_name()
    podman.ok("secret", "create", secret, "-", input="hidden")
    assert podman.output("--secret", secret, "--", "cat", f"/run/secrets/{secret}") == "hidden"
    podman.ok("secret", "rm", secret)
