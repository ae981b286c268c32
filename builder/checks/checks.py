"""The checks of built images: name, what is wrong in general, and what was found."""

from __future__ import annotations

from builder.dockerfile.record import Record


class Check(Record):
    """A check; docs/image-checks/ has a page for each."""

    name: str
    summary: str

    @property
    def page(self) -> str:
        """The page of the documentation, relative to docs/."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in self.name).lstrip("-")
        return f"image-checks/{words}.md"


class Problem(Record):
    """Something wrong with an image.

    Attributes:
        check: that found it.
        message: one line: what, where, why.
        hint: what to do about it.
        subject: the path or the name that it is about.
    """

    check: Check
    message: str
    hint: str
    subject: str

    def __str__(self) -> str:
        return f"{self.check.name}: {self.message} ({self.hint})"

    def to_json(self) -> dict[str, str]:
        """The problem as `check --format json` prints it."""
        return {
            "check": self.check.name,
            "message": self.message,
            "hint": self.hint,
            "subject": self.subject,
        }


MISSING_LOADER = Check(
    "MissingLoader", "A program's dynamic loader or interpreter should be in the image"
)
MISSING_LIBRARY = Check(
    "MissingLibrary", "The libraries that a program is linked with should be in the image"
)
FOREIGN_ARCHITECTURE = Check(
    "ForeignArchitecture", "Programs should be for the image's architecture"
)
UNKNOWN_USER = Check("UnknownUser", "The image's user should be in its /etc/passwd")
PROGRAM_NOT_FOUND = Check("ProgramNotFound", "What ENTRYPOINT or CMD starts should be in the image")
PROGRAM_NOT_EXECUTABLE = Check(
    "ProgramNotExecutable", "What ENTRYPOINT or CMD starts should be executable"
)
DELETED_LATER = Check(
    "DeletedLater", "Files should not be added in one layer and deleted or replaced in a later one"
)
SECRET_IN_IMAGE = Check("SecretInImage", "A build's secrets should not be left in its image")
CHECKS = {
    check.name: check
    for check in (
        MISSING_LOADER,
        MISSING_LIBRARY,
        FOREIGN_ARCHITECTURE,
        UNKNOWN_USER,
        PROGRAM_NOT_FOUND,
        PROGRAM_NOT_EXECUTABLE,
        DELETED_LATER,
        SECRET_IN_IMAGE,
    )
}
