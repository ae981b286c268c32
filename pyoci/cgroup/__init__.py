"""Cgroups behind one interface: v2 and v1 directly, either of them through systemd.

``resolve()`` decides where a container's cgroup is, ``from_record()`` finds it again from
state.json, and `interface.Cgroup` says what can be done with it. The backends are `unified` (v2),
`legacy` (v1, and the hybrid layout: v1 controllers plus a v2 hierarchy), `systemd` (a scope around
either) and `absent` (rootless, nothing delegated, nothing asked for).

How create uses it, so that a kill at any instruction leaves something that delete can clean up:

    cgroup = resolve(...)           pure: reads /proc, decides
    cgroup.record()                 stored in state.json BEFORE anything exists
    cgroup.create(resources, None)  directories, v1 device list
    cgroup.apply(resources)         limits
    cgroup.attach(pid)              before the process runs anything of the user's

With systemd the scope cannot exist without a process: there ``create`` only checks and remembers
the resources, and ``attach`` starts the unit, then applies what systemd has no property for.

The program for v2 device rules comes from `device_bpf`, over `effective_device_rules`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.cgroup.devices import default_device_rules as default_device_rules
    from pyoci.cgroup.devices import effective_device_rules as effective_device_rules
    from pyoci.cgroup.hierarchies import Hierarchies as Hierarchies
    from pyoci.cgroup.interface import Cgroup as Cgroup
    from pyoci.cgroup.location import resolve as resolve
    from pyoci.cgroup.recorded import from_record as from_record

# Loaded when they are asked for: a command needs one of them, some need none.
_MODULES = {
    "default_device_rules": "devices",
    "effective_device_rules": "devices",
    "from_record": "recorded",
    "resolve": "location",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'pyoci.cgroup' has no attribute {name!r}")
    value: object = getattr(__import__(f"pyoci.cgroup.{module}", None, None, (name,)), name)
    globals()[name] = value
    return value


def device_program(rules: list[dict[str, object]]) -> bytes:
    """Compile device rules to a BPF program; see `pyoci.cgroup.device_bpf`."""
    # Loaded only here: v1 hosts and the other commands never need the compiler.
    from pyoci.cgroup.device_bpf import compile_rules

    return compile_rules(rules)
