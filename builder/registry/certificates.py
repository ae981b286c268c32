"""TLS for one registry: the system's authorities, and those that Docker and podman keep per host.

/etc/containers/certs.d/HOST/  /etc/docker/certs.d/HOST/  ~/.config/containers/certs.d/HOST/
    *.crt          further authorities
    NAME.cert, NAME.key   this client's own certificate
"""

from __future__ import annotations

import os
import ssl

from builder.registry.errors import CredentialsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEM = ("/etc/containers/certs.d", "/etc/docker/certs.d")


def certificate_directories(environ: Mapping[str, str], extra: str | None = None) -> list[str]:
    """Where certificates may be, the ones that count first."""
    home = environ.get("HOME") or "/"
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    own = [f"{config}/containers/certs.d", f"{config}/docker/certs.d"]
    return [*([extra] if extra else []), *own, *_SYSTEM]


def tls_context(
    host: str, environ: Mapping[str, str], extra: str | None = None, *, verify: bool = True
) -> ssl.SSLContext:
    """The context for connections to a host (with its port, as directories are named).

    `extra` is a directory like those of certs.d. Raises CredentialsError for a file that is no
    certificate.
    """
    context = ssl.create_default_context()
    if not context.get_ca_certs() and not os.path.isdir(
        ssl.get_default_verify_paths().capath or ""
    ):
        import certifi

        context.load_verify_locations(certifi.where())
    for directory in certificate_directories(environ, extra):
        _load(context, f"{directory}/{host}")
    if extra and not os.path.isdir(f"{extra}/{host}"):
        _load(context, extra)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load(context: ssl.SSLContext, directory: str) -> None:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        path = f"{directory}/{name}"
        try:
            if name.endswith(".crt"):
                context.load_verify_locations(path)
            elif name.endswith(".cert"):
                context.load_cert_chain(path, f"{path.removesuffix('.cert')}.key", password="")
        except (OSError, ssl.SSLError) as error:
            raise CredentialsError(
                f"reading certificate {path}: {error.strerror or error}",
                subject=path,
                hint="it must be PEM; NAME.cert needs a NAME.key that is not encrypted",
            ) from None
