"""The Dockerfile language: text in, typed instructions and resolved steps out. No I/O.

    dockerfile = parse(text, "Dockerfile")
    resolution = resolve(dockerfile, base_config, Request(build_args={"V": "1"}))
    for stage in resolution.stages:
        for step in stage.steps:
            ...

Errors are `DockerfileError`: they know file, line and column and print the source with a caret.
"""

from __future__ import annotations

from builder.dockerfile.epoch import EpochSource, epoch_source
from builder.dockerfile.errors import DockerfileError, SourceRange
from builder.dockerfile.expansion import Expansion, Mode, process_word, process_words
from builder.dockerfile.ignore import IgnoreRules
from builder.dockerfile.instructions import Dockerfile
from builder.dockerfile.linter import CheckOptions, Finding, Linter
from builder.dockerfile.modes import FileMode
from builder.dockerfile.parser import parse
from builder.dockerfile.platforms import Platform, host_platform, parse_platform
from builder.dockerfile.references import normalize_reference
from builder.dockerfile.resolver import Request, resolve
from builder.dockerfile.steps import (
    BindMount,
    CacheMount,
    CopyStep,
    GitSource,
    HttpSource,
    ImageOrigin,
    InlineFiles,
    InlineSource,
    MainContext,
    MetadataStep,
    NamedContext,
    PathSource,
    Resolution,
    ResolvedStage,
    RunStep,
    Scratch,
    SecretMount,
    SshMount,
    StageOrigin,
    Step,
    TmpfsMount,
    WorkdirStep,
)

__all__ = [
    "BindMount",
    "CacheMount",
    "CheckOptions",
    "CopyStep",
    "Dockerfile",
    "DockerfileError",
    "EpochSource",
    "Expansion",
    "FileMode",
    "Finding",
    "GitSource",
    "HttpSource",
    "IgnoreRules",
    "ImageOrigin",
    "InlineFiles",
    "InlineSource",
    "Linter",
    "MainContext",
    "MetadataStep",
    "Mode",
    "NamedContext",
    "PathSource",
    "Platform",
    "Request",
    "Resolution",
    "ResolvedStage",
    "RunStep",
    "Scratch",
    "SecretMount",
    "SourceRange",
    "SshMount",
    "StageOrigin",
    "Step",
    "TmpfsMount",
    "WorkdirStep",
    "epoch_source",
    "host_platform",
    "normalize_reference",
    "parse",
    "parse_platform",
    "process_word",
    "process_words",
    "resolve",
]
