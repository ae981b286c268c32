"""A root file system is imported, unpacked and run: what the image says holds inside."""

from __future__ import annotations

import json
import os
import stat
import subprocess

import pytest


@pytest.fixture
def base(builder, rootfs) -> str:
    builder(
        *("import", str(rootfs), "base", "-c", "USER app", "-c", "ENV GREETING=hello"),
        *("-c", "VOLUME /var/lib/data", "-c", "WORKDIR /home/app"),
    )
    return "base"


@pytest.fixture
def bundle(tmp_path) -> str:
    return str(tmp_path / "bundle")


def test_image_s_user_environment_and_directory_hold(
    builder, base, bundle, run, any_runtime
) -> None:
    script = "id; env; pwd; hostname"
    builder("unpack", "--hostname", "box", base, bundle, "sh", "-c", script)
    text = run(any_runtime, bundle)
    assert "uid=1000(app) gid=1000(app) groups=29(audio),1000(app)" in text
    assert "GREETING=hello\n" in text
    assert "HOME=/home/app\n" in text
    assert text.endswith("/home/app\nbox\n")


def test_default_command_is_the_image_s(builder, rootfs, bundle, run, any_runtime) -> None:
    builder("import", str(rootfs), "base", "-c", 'CMD ["echo", "from cmd"]')
    builder("unpack", "base", bundle)
    assert run(any_runtime, bundle) == "from cmd\n"


def test_volume_is_seeded_and_outlives_the_root_file_system(
    builder, base, bundle, run, any_runtime
) -> None:
    script = "cat /var/lib/data/seed; echo kept > /var/lib/data/new"
    builder("unpack", base, bundle, "sh", "-c", script)
    assert run(any_runtime, bundle) == "from the image\n"
    with open(f"{bundle}/volumes/0/new") as file:
        assert file.read() == "kept\n"
    assert os.listdir(f"{bundle}/rootfs/var/lib/data") == []


def test_read_only_root_cannot_be_written_but_volumes_can(
    builder, base, bundle, run, any_runtime
) -> None:
    script = "touch /home/app/x 2> /dev/null || echo refused; touch /var/lib/data/x && echo written"
    builder("unpack", "--read-only", base, bundle, "sh", "-c", script)
    assert run(any_runtime, bundle) == "refused\nwritten\n"


def test_files_keep_owners_links_devices_and_times(builder, base, bundle) -> None:
    builder("unpack", base, bundle)
    top = f"{bundle}/rootfs"
    assert os.stat(f"{top}/home/app").st_uid == 1000
    assert os.stat(f"{top}/tmp").st_mode & 0o7777 == 0o1777
    assert os.stat(f"{top}/srv/file").st_ino == os.stat(f"{top}/srv/link").st_ino
    assert os.stat(f"{top}/srv/null").st_rdev == os.makedev(1, 3)
    assert os.stat(f"{top}/srv/file").st_mtime == 1_000_000_000
    assert os.stat(f"{bundle}/volumes/0").st_uid == 1000


def test_capabilities_of_files_are_kept(builder, rootfs, bundle, tmp_path) -> None:
    copy = str(tmp_path / "with-capability")
    subprocess.run(["cp", "-a", str(rootfs), copy], check=True)
    # VFS_CAP_REVISION_2, effective, CAP_NET_BIND_SERVICE permitted (capabilities(7)).
    value = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(f"{copy}/srv/file", "security.capability", value)
    builder("import", copy, "base")
    builder("unpack", "base", bundle)
    assert os.getxattr(f"{bundle}/rootfs/srv/file", "security.capability") == value


def test_archive_on_standard_input_gives_the_files_of_the_directory(
    builder, rootfs, tmp_path
) -> None:
    epoch = {"SOURCE_DATE_EPOCH": "1500000000"}
    archive = subprocess.run(
        ["tar", "--sort=name", "--xattrs", "-C", str(rootfs), "-cz", "."],
        capture_output=True,
        check=True,
    ).stdout
    builder("import", "-", "from-archive", input=archive, environ=epoch)
    builder("import", str(rootfs), "from-directory", environ=epoch)
    for name in ("from-archive", "from-directory"):
        builder("unpack", name, str(tmp_path / name))
    assert _listing(tmp_path / "from-archive") == _listing(tmp_path / "from-directory")


def _listing(bundle) -> list[tuple]:
    """Everything below the rootfs with what a layer keeps of it."""
    found = []
    top = str(bundle / "rootfs")
    for parent, directories, files in os.walk(top):
        for name in (*directories, *files):
            path = f"{parent}/{name}"
            entry = os.lstat(path)
            target = os.readlink(path) if os.path.islink(path) else ""
            size = entry.st_size if stat.S_ISREG(entry.st_mode) else 0
            owner = (entry.st_uid, entry.st_gid, entry.st_rdev, entry.st_nlink)
            found.append((path[len(top) :], entry.st_mode, owner, size, entry.st_mtime, target))
    return sorted(found)


def test_same_directory_and_epoch_give_the_same_digest_in_another_store(
    builder, rootfs, tmp_path
) -> None:
    digests = set()
    for store in ("one", "two"):
        environ = {"SOURCE_DATE_EPOCH": "1500000000", "PYOCI_BUILDER_STORE": str(tmp_path / store)}
        digests.add(builder("import", str(rootfs), "base", environ=environ))
    assert len(digests) == 1


def test_signed_image_is_verified_and_an_altered_one_refused(builder, base, tmp_path) -> None:
    builder("keygen", "-o", "k")
    builder("sign", "--key", "k.key", base)
    assert "verified sha256:" in builder("verify", "--key", "k.pub", base)
    layer = json.loads(builder("inspect", base))["layers"][0]["digest"].partition(":")[2]
    with open(tmp_path / "store/blobs/sha256" / layer, "r+b") as file:
        file.seek(100)
        file.write(b"\0\0\0\0")
    message = builder("verify", "--key", "k.pub", base, status=1)
    assert layer[:12] in message
    message = builder("unpack", base, "bundle", status=1)
    assert not os.path.exists(tmp_path / "bundle")
    assert [name for name in os.listdir(tmp_path) if "bundle" in name] == []
