"""COPY, ADD and WORKDIR: what is in the layers."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


def test_copy_from_scratch(bench):
    bench.write("a", "1", 0o640)
    bench.write("d/b", "2")
    built = bench.build("FROM scratch\nCOPY a /x/\nCOPY d /d\nWORKDIR /w\nCMD x")
    assert built.files() == {"x/a": b"1", "d/b": b"2"}
    one, two, three = built.layers()
    assert list(one) == ["x", "x/a"] and one["x/a"].mode == 0o640
    assert list(two) == ["d", "d/b"]
    assert list(three) == ["w"]


def test_parents_in_the_base_keep_their_attributes_in_the_layer(bench):
    bench.write("a")
    (layer,) = bench.build("FROM busybox\nCOPY a /root/a\n").layers()
    assert (layer["root"].mode, layer["root"].mtime) == (0o700, 1000)


def test_a_symlink_in_the_base_is_followed(bench):
    bench.write("a")
    (layer,) = bench.build("FROM busybox\nCOPY a /sbin/tool\n").layers()
    assert list(layer) == ["bin", "bin/tool"]


def test_copy_from_a_stage_keeps_owners_and_links(bench):
    built = bench.build(
        "FROM busybox AS one\n"
        "RUN mkdir /d && echo x > /d/f && ln /d/f /d/hard && ln -s f /d/soft && mkfifo /d/pipe"
        " && chown 5:6 /d/f && chmod 4755 /d/f\n"
        "FROM scratch\nCOPY --from=one /d /d\n"
    )
    (layer,) = built.layers()
    assert (layer["d/f"].uid, layer["d/f"].gid, layer["d/f"].mode) == (5, 6, 0o4755)
    assert (layer["d/hard"].type, layer["d/hard"].linkname) == (tarfile.LNKTYPE, "d/f")
    assert (layer["d/soft"].type, layer["d/soft"].linkname) == (tarfile.SYMTYPE, "f")
    assert layer["d/pipe"].type == tarfile.FIFOTYPE


def test_chown_by_name_and_chmod_in_symbols(bench):
    bench.write("a", mode=0o600)
    (layer,) = bench.build("FROM busybox\nCOPY --chown=app:audio --chmod=go=u-w a /n/a").layers()
    assert (layer["n/a"].uid, layer["n/a"].gid, layer["n/a"].mode) == (1000, 29, 0o644)
    assert (layer["n"].uid, layer["n"].gid, layer["n"].mode) == (1000, 29, 0o755)


def test_an_unknown_owner_shows_its_place(bench):
    bench.write("a")
    built = bench.build("FROM busybox\nCOPY --chown=nobody a /a", check=False)
    assert "Dockerfile:2:14: unable to find user nobody" in built.log


def test_link_makes_a_layer_that_does_not_depend_on_the_base(bench):
    bench.write("a", "x")
    os.utime(bench.context / "a", (5, 5))
    text = "FROM {}\nCOPY --link a /etc/a"
    env = {"SOURCE_DATE_EPOCH": "100"}
    one = bench.build(text.format("busybox"), env=env).image.diff_ids[-1]
    two = bench.build(text.format("scratch"), env=env).image.diff_ids[-1]
    assert one == two


def test_here_documents_become_files(bench):
    built = bench.build("FROM scratch\nARG V=1\nCOPY <<a <<'b' /d/\nv=$V\na\nv=$V\nb\n")
    assert built.files() == {"d/a": b"v=1\n", "d/b": b"v=$V\n"}


def test_wildcards_parents_and_excludes(bench):
    for name in ("src/a.py", "src/b.txt", "src/deep/c.py", "top.py"):
        bench.write(name, name)
    built = bench.build(
        "FROM scratch\nCOPY *.py none* /one/\nCOPY --parents src/**/*.py /two/\n"
        "COPY --exclude=**/*.txt src /three/\n"
    )
    assert sorted(built.files()) == [
        *("one/top.py", "three/a.py", "three/deep/c.py", "two/src/a.py", "two/src/deep/c.py"),
    ]


def test_an_unmatched_wildcard_makes_no_layer(bench):
    assert bench.build("FROM scratch\nCOPY none* /x/\nCMD x").layers() == []


def test_dockerignore(bench):
    for name in ("keep", "drop.o", "d/drop.o", "node_modules/x/y", "node_modules/x/keep"):
        bench.write(name, name)
    bench.write(".dockerignore", "**/*.o\nnode_modules\n!node_modules/x/keep\nDockerfile\n.docker*")
    assert sorted(bench.build("FROM scratch\nCOPY . /").files()) == ["keep", "node_modules/x/keep"]


def test_the_ignore_file_beside_the_dockerfile_is_preferred(bench):
    bench.write("a")
    bench.write("b")
    bench.write(".dockerignore", "a")
    bench.write("other.Dockerfile", "FROM scratch\nCOPY a* b* /\n")
    bench.write("other.Dockerfile.dockerignore", "b")
    built = bench.build(None, "-f", str(bench.context / "other.Dockerfile"))
    assert sorted(built.files()) == ["a"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../../../etc/passwd"])
def test_a_symlink_out_of_the_context_is_not_followed(bench, target):
    os.symlink(target, bench.context / "link")
    built = bench.build("FROM scratch\nCOPY link /x", check=False)
    assert built.status == 1 and '"/link" not found' in built.log


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../../../etc/passwd"])
def test_a_dockerfile_that_leads_out_of_the_context_is_refused(bench, target):
    os.symlink(target, bench.context / "Dockerfile")
    built = bench.build(check=False)
    assert built.status == 1 and "root:" not in built.log
    assert "reading Dockerfile: there is none in the build context" in built.log


def test_a_symlink_of_the_base_cannot_lead_a_copy_out(bench, tmp_path):
    bench.write("a", "pwned")
    outside = tmp_path / "outside"
    outside.mkdir()
    built = bench.build(f"FROM busybox\nRUN ln -s {outside} /link\nCOPY a /link/a")
    assert os.listdir(outside) == []
    assert f"{outside}/a".lstrip("/") in built.layers()[-1]


def archive(kind):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{kind if kind in ('gz', 'bz2', 'xz') else ''}") as tar:
        for name, content in (("d/f", b"hello"), ("run", b"x")):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid, member.gid = len(content), 0o755, 7, 8
            member.mtime = 1234
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "d/f"
        tar.addfile(link)
    if kind == "zst":
        import zstandard

        return zstandard.compress(data.getvalue())
    return data.getvalue()


@pytest.mark.parametrize("kind", ["tar", "gz", "bz2", "xz", "zst"])
def test_add_unpacks_archives_told_by_their_content(bench, kind):
    bench.write("a.data", archive(kind))
    (layer,) = bench.build("FROM scratch\nADD a.data /x/").layers()
    assert sorted(layer) == ["x", "x/d", "x/d/f", "x/link", "x/run"]
    entry = layer["x/run"]
    assert (entry.uid, entry.gid, entry.mode, entry.mtime) == (7, 8, 0o755, 1234)
    assert layer["x/link"].linkname == "d/f"


def test_add_keeps_an_archive_when_told_to_and_copy_always_does(bench):
    data = archive("gz")
    bench.write("a.tgz", data)
    built = bench.build("FROM scratch\nADD --unpack=false a.tgz /x/\nCOPY a.tgz /y")
    assert built.files() == {"x/a.tgz": data, "y": data}


def test_add_copies_what_is_no_archive(bench):
    import gzip

    bench.write("a.gz", gzip.compress(b"text"))
    bench.write("b.tar", "not really")
    bench.write("empty")
    built = bench.build("FROM scratch\nADD a.gz b.tar empty /x/")
    assert sorted(built.files()) == ["x/a.gz", "x/b.tar", "x/empty"]


def test_add_with_chown_gives_an_archives_files_away(bench):
    bench.write("a.tar", archive("tar"))
    (layer,) = bench.build("FROM scratch\nADD --chown=3:4 a.tar /").layers()
    assert {(entry.uid, entry.gid) for entry in layer.values()} == {(3, 4)}


def test_an_archive_that_climbs_stays_inside(bench, tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in ("../../../../pwned", "/abs"):
            member = tarfile.TarInfo(name)
            tar.addfile(member)
    bench.write("a.tar", data.getvalue())
    built = bench.build("FROM scratch\nADD a.tar /", check=False)
    assert not os.path.exists("/pwned") and not os.path.exists("/abs")
    if built.status == 0:
        assert all(".." not in name for layer in built.layers() for name in layer)
    else:
        assert "Dockerfile:2" in built.log


def test_a_damaged_archive_shows_its_line(bench):
    bench.write("a.tar", archive("tar")[:600])
    built = bench.build("FROM scratch\nADD a.tar /", check=False)
    assert built.status == 1
    assert "pyoci-builder: Dockerfile:2:5: unpacking /a.tar" in built.log


class Handler(BaseHTTPRequestHandler):
    def __init__(self, files, *arguments):
        self.files = files
        super().__init__(*arguments)

    def do_GET(self):
        self.files.setdefault("requests", []).append(self.path)
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Thu, 01 Jan 1970 00:20:34 GMT")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    files = {}
    http = HTTPServer(("127.0.0.1", 0), partial(Handler, files))
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    files["url"] = f"http://127.0.0.1:{http.server_port}"
    yield files
    http.shutdown()
    thread.join()
    http.server_close()


def test_add_downloads(bench, server):
    server["/file.txt"] = b"hello"
    built = bench.build(f"FROM scratch\nADD {server['url']}/file.txt /d/")
    (layer,) = built.layers()
    assert built.files() == {"d/file.txt": b"hello"}
    assert (layer["d/file.txt"].mode, layer["d/file.txt"].mtime) == (0o600, 1234)
    again = bench.build(None)
    assert set(again.steps.values()) == {"CACHED"}
    server["/file.txt"] = b"other"
    assert bench.build(None).files() == {"d/file.txt": b"other"}


def test_a_download_is_checked_against_its_checksum(bench, server):
    import hashlib

    server["/f"] = b"hello"
    good = hashlib.sha256(b"hello").hexdigest()
    assert bench.build(f"FROM scratch\nADD --checksum=sha256:{good} {server['url']}/f /f").digest
    text = f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {server['url']}/f /f"
    built = bench.build(text, check=False)
    assert built.status == 1
    assert "digest mismatch" in built.log and f"got sha256:{good}" in built.log


def test_a_download_that_is_not_there_shows_its_line(bench, server):
    built = bench.build(f"FROM scratch\nADD {server['url']}/nope /f", check=False)
    assert "Dockerfile:2:5: downloading" in built.log and "404" in built.log


def test_a_download_is_unpacked_only_when_told_to(bench, server):
    server["/a.tgz"] = archive("gz")
    built = bench.build(
        f"FROM scratch\nADD {server['url']}/a.tgz /x/\nADD --unpack=true {server['url']}/a.tgz /y/"
    )
    assert sorted(built.files()) == ["x/a.tgz", "y/d/f", "y/run"]


def test_a_named_context(bench, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "f").write_text("other")
    built = bench.build("FROM scratch\nCOPY --from=more f /f", "--build-context", f"more={other}")
    assert built.files() == {"f": b"other"}


def test_from_a_named_directory(bench, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "f").write_text("other")
    built = bench.build("FROM base\nCMD x", "--build-context", f"base={other}")
    assert built.files() == {"f": b"other"}


def test_copy_from_an_image(bench):
    bench.write("Dockerfile", "FROM busybox\nRUN echo from image > /f\n")
    bench.build(None, "-t", "tool")
    built = bench.build("FROM scratch\nCOPY --from=tool /f /f\nCOPY --from=busybox /etc/passwd /")
    assert sorted(built.files()) == ["f", "passwd"]


def test_onbuild_triggers_run_in_the_child(bench):
    bench.write("a", "1")
    bench.build("FROM busybox\nONBUILD COPY a /onbuild\nONBUILD RUN echo x > /ran", "-t", "parent")
    built = bench.build("FROM parent\nCMD x")
    assert {"onbuild": b"1", "ran": b"x\n"}.items() <= built.files().items()
    assert "OnBuild" not in built.config


def test_extended_attributes_are_kept(bench):
    path = bench.write("tool", "x", 0o755)
    done = subprocess.run(["setcap", "cap_net_raw+ep", str(path)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("setcap is not there, or this file system has no attributes")
    (layer,) = bench.build("FROM scratch\nCOPY tool /tool").layers()
    assert "SCHILY.xattr.security.capability" in layer["tool"].pax_headers


def test_git_sources_are_refused_with_their_line(bench):
    built = bench.build("FROM scratch\nADD https://example.com/a.git /x", check=False)
    assert "pyoci-builder: Dockerfile:2:5: ADD of a git repository" in built.log
