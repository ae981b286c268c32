"""What is to be built and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from builder.layer.compression import Compression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.checks import Problem
    from builder.descriptor import Descriptor
    from builder.dockerfile import Finding, Platform
    from builder.registry.options import Options


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A build.

    Attributes:
        context: directory that COPY and ADD read.
        dockerfile: path, relative to the working directory; "" for `Dockerfile` in the context.
        dockerfile_text: content instead of the file (standard input, say); None to read the file.
        names: under which the image goes into the store.
        target: stage to build, "" for the last.
        build_args: values of ARGs.
        labels: added to the image.
        contexts: further contexts by name: a directory, `docker-image://`, `oci-layout://`.
        platform: what to build for; None for what the base image is for.
        compression: of the layers that are made.
        no_cache: execute every step.
        epoch: SOURCE_DATE_EPOCH in seconds; None to take the build argument's.
        secrets: content by id.
        agents: sockets of SSH agents by id.
        allow: entitlements that RUN may use: `network.host`, `security.insecure`.
        parallel: how many RUN steps at once; 0 for one per CPU.
        registries: how registries are spoken to; None: not at all.
        pull: ask registries even for images that the store has.
        check: look at the image when a step was executed (`builder.checks`).
    """

    context: str
    dockerfile: str = ""
    dockerfile_text: bytes | None = None
    names: tuple[str, ...] = ()
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    compression: Compression = Compression()  # noqa: RUF009 -- immutable
    no_cache: bool = False
    epoch: int | None = None
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    agents: Mapping[str, str] = field(default_factory=dict)
    allow: frozenset[str] = frozenset()
    parallel: int = 0
    registries: Options | None = None
    pull: bool = False
    check: bool = False


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A finished image.

    Attributes:
        descriptor: of its manifest, in the store.
        names: full names that it has in the store.
        config_digest: of its configuration (the "image ID" of Docker).
        size: bytes of its blobs.
        layers: how many it has.
        cached, executed: steps that were found in the cache, and that were not.
        findings: of the linter.
        problems: that the checks of the image found.
    """

    descriptor: Descriptor
    names: tuple[str, ...]
    config_digest: str
    size: int
    layers: int
    cached: int
    executed: int
    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
