"""``pyoci explain``: the whole start-up in order, with reasons, without running anything."""

from __future__ import annotations

from pyoci.errors import UsageError
from pyoci.lifecycle.report import now
from pyoci.plan.create import CreateRequest, compile_create
from pyoci.plan.host import Host
from pyoci.plan.process import Filter
from pyoci.spec.bundle import load_bundle
from pyoci.spec.check import check_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """Print the plan of a bundle: operation, arguments, and where in config.json it comes from."""
    from pyoci import cgroup as cgroups
    from pyoci.plan import describe
    from pyoci.seccomp import load_filter
    from pyoci.spec.json_text import encode

    path = arguments[0] if arguments else "."
    bundle = load_bundle(path if path.startswith("/") else f"{invocation.cwd}/{path}")
    warnings = check_config(bundle.config)
    host = Host.gather()
    linux = bundle.config.get("linux") or {}
    container_id = options.get("id") or "CONTAINER"
    cgroup = cgroups.resolve(
        linux.get("cgroupsPath"),
        container_id,
        systemd=settings.systemd_cgroup,
        rootless=host.euid != 0,
    )
    filter_ = None
    if linux.get("seccomp"):
        import os

        compiled = load_filter(linux["seccomp"], cache_dir=None, native=os.uname().machine)
        filter_ = Filter(compiled.program, compiled.flags)
    request = CreateRequest(
        id=container_id,
        bundle=bundle.path,
        rootfs=bundle.rootfs,
        fifo=f"{settings.root}/{container_id}/exec.fifo",
        report=f"{settings.root}/{container_id}/start.report",
        cgroup_directory=cgroup.directory_for_clone(),
        cgroup_files=cgroup.files_to_join(),
        cgroup_mounts=cgroup.namespace_mounts(),
        filter=filter_,
        state_json=(f'{{"id":"{container_id}","created":"{now()}","pid":', "}"),
    )
    operations = compile_create(bundle.config, request, host, warnings)
    form = options.get("format") or "text"
    if form == "json":
        invocation.write(encode(describe.document(operations, warnings), indent=2) + "\n")
    elif form == "text":
        invocation.write(describe.text(operations, warnings))
    else:
        raise UsageError(f"invalid format option: {form}", hint="use text or json")
    return 0
