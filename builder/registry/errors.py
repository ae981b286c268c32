"""What can go wrong between this machine and a registry."""

from __future__ import annotations

from builder.errors import BuilderError


class RegistryError(BuilderError):
    """A registry refused a request, or answered with something that makes no sense.

    Attributes:
        status: of the HTTP answer, 0 when there was none.
    """

    code = "registry"

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        subject: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.status = status


class UnreachableError(RegistryError):
    """No answer: no network, no such host, a connection that broke again and again.

    Attributes:
        is_final: another attempt would end the same: a name or certificate that is not right.
    """

    code = "registry-unreachable"
    is_final = False


class AuthenticationError(RegistryError):
    """The registry wants credentials, or other ones than it was given."""

    code = "registry-auth"


class CredentialsError(BuilderError):
    """A file or a program that keeps credentials cannot be used."""

    code = "credentials"
