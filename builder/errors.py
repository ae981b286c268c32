"""Errors of the builder: one class per thing that a caller can act on.

The class docstring says when it is raised; ``code`` is stable and goes into JSON output. The
message is one line: what was being done, to what, why it failed. ``hint`` says what to do about it.
Errors of the Dockerfile language are `builder.dockerfile.DockerfileError`: they show the source.
"""

from __future__ import annotations


class BuilderError(Exception):
    """Any failure that the builder reports to its caller."""

    code = "error"
    exit_status = 1

    def __init__(
        self, message: str, *, subject: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ImageFormatError(BuilderError):
    """A manifest, config, layer or index is not what the image specification says it must be."""

    code = "image-format"


class DigestMismatchError(BuilderError):
    """The bytes of a blob are not those that its digest names."""

    code = "digest-mismatch"


class SizeMismatchError(BuilderError):
    """A blob is longer or shorter than its descriptor says."""

    code = "size-mismatch"


class BlobNotFoundError(BuilderError):
    """A blob that a descriptor names is not in the layout."""

    code = "blob-not-found"


class ImageNotFoundError(BuilderError):
    """No image of that name or digest."""

    code = "image-not-found"


class InvalidReferenceError(BuilderError):
    """The name of an image cannot be one."""

    code = "invalid-reference"


class StoreError(BuilderError):
    """The store or a layout cannot be opened, read or written."""

    code = "store"


class ContextError(BuilderError):
    """The build context cannot be read, or a file that a step needs is not in it."""

    code = "context"


class StepFailedError(BuilderError):
    """A build step's process failed; ``status`` is its exit status (128 + signal when killed)."""

    code = "step-failed"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        subject: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.status = status


class SignatureError(BuilderError):
    """An image carries no signature that the given key verifies."""

    code = "signature"


class KeyFileError(BuilderError):
    """A key file cannot be read, is of an unsupported kind, or its password is wrong."""

    code = "key-file"
