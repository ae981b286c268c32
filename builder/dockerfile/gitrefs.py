"""Addresses of git repositories, as ADD and build contexts take them.

    https://host/path.git[?query][#ref[:directory]]     (http and https need the ".git")
    git://host/path, ssh://user@host/path, user@host:path

Queries: `ref tag branch commit checksum subdir keep-git-dir submodules mtime fetch-by-commit`.
"""

from __future__ import annotations

import re

from builder.dockerfile import golang
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.record import Record

_SCHEME = re.compile(r"([a-zA-Z0-9]+)://")
_SCP = re.compile(r"([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):(.*?)(?:\?(.*?))?(?:#(.*))?\Z", re.DOTALL)
_FLAGS = ("submodules", "keep-git-dir", "fetch-by-commit")
_QUERIES = ("ref", "tag", "branch", "subdir", "checksum", "commit", "mtime", *_FLAGS)


class GitRef(Record):
    """A git address.

    Attributes:
        remote: what git fetches from.
        ref: branch, tag or commit, "" for the default branch.
        subdir: directory inside the repository, "" for all of it.
        checksum: the commit that must be found, or a prefix of it, or "".
        keep_git_dir: whether to keep `.git`; None when the address does not say.
        submodules: whether to fetch submodules.
        mtime: "" (as checked out) or "commit".
        fetch_by_commit: fetch the checksum's commit itself.
    """

    remote: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True
    mtime: str = ""
    fetch_by_commit: bool = False


def parse_git_ref(text: str) -> GitRef | None:
    """The git address that text is; None when it is a path or another URL.

    Raises DockerfileError for a wrong query in what is clearly a git address.
    """
    if text.startswith(("./", "../")):
        return None
    scheme = _SCHEME.match(text)
    if scheme:
        if scheme[1].lower() not in ("http", "https", "ssh", "git"):
            return None
        address, _, fragment = text.partition("#")
        address, _, query = address.partition("?")
        path = address[scheme.end() :].partition("/")[2]
        if scheme[1].lower() in ("http", "https") and not path.endswith(".git"):
            return None
        address = scheme[1].lower() + address[len(scheme[1]) :]
    else:
        scp = _SCP.match(text)
        if scp is None:
            return None
        address, query, fragment = f"{scp[1]}@{scp[2]}:{scp[3]}", scp[4] or "", scp[5] or ""
    ref, _, subdir = fragment.partition(":")
    subdir = golang.join_path("/", subdir).lstrip("/") if fragment else ""
    return _with_query(GitRef(address, ref, subdir), query, text)


def _with_query(git: GitRef, query: str, text: str) -> GitRef:
    if not query:
        return git
    values = _query_values(query, text)
    changes: dict[str, object] = {}
    ref = _same("ref", git.ref, values.get("ref", ""), text)
    tag, branch = values.get("tag", ""), values.get("branch", "")
    if tag and branch:
        raise _wrong("branch conflicts with tag", text)
    if tag:
        ref = _same("ref", ref, _prefixed("refs/tags/", tag), text)
    if branch:
        ref = _same("ref", ref, _prefixed("refs/heads/", branch), text)
    if values.get("mtime", "") not in ("", "checkout", "commit"):
        raise _wrong(
            f"invalid mtime value: {golang.quote(values['mtime'])}"
            ' (must be "checkout" or "commit")',
            text,
        )
    for name in _FLAGS:
        if name in values:
            truth = golang.parse_bool(values[name] or "true")
            if truth is None:
                raise _wrong(f"invalid {name} value: {golang.quote(values[name])}", text)
            changes[name.replace("-", "_")] = truth
    return git.replace(
        ref=ref,
        subdir=_same("subdir", git.subdir, values.get("subdir", ""), text),
        checksum=values.get("commit") or values.get("checksum", ""),
        mtime=values.get("mtime", "").replace("checkout", ""),
        **changes,
    )


def _query_values(query: str, text: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in values:
            raise _wrong(f"query {golang.quote(name)} has multiple values", text)
        if name not in _QUERIES:
            raise _wrong(f"unexpected query {golang.quote(name)}", text)
        if not value and name not in _FLAGS:
            raise _wrong(f"query {golang.quote(name)} has no value", text)
        values[name] = value
    return values


def _same(what: str, one: str, other: str, text: str) -> str:
    if one and other and one != other:
        raise _wrong(f"{what} conflicts: {golang.quote(one)} vs {golang.quote(other)}", text)
    return one or other


def _prefixed(prefix: str, name: str) -> str:
    return name if name.startswith(prefix) else prefix + name


def _wrong(message: str, text: str) -> DockerfileError:
    return DockerfileError(message, near=text)
