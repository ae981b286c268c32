"""Times a container's life under pyoci, runc and crun in one run, and prints medians and ratios.

    sudo python3 bench/lifecycle.py [--rounds N] [--pyoci PATH] [--json]

Every round goes through all runtimes in turn, so that a change of the machine's mood hits all of
them. Two tables: without a seccomp profile, and with the one podman hands its runtime (in
tests/data/seccomp). Then the smallest memory limit in which /bin/true still runs.

crun 1.8 refuses hosts with a v1 *and* a v2 hierarchy: everything runs in a mount namespace of its
own where the v2 one is unmounted when there are v1 controllers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(HERE)
PROFILE = f"{CHECKOUT}/tests/data/seccomp/podman-oci.json"
VERBS = ("create", "start", "state", "exec", "delete", "run")
_MARK = "PYOCI_BENCH_NAMESPACE"
_SMALLEST, _LARGEST = 64, 32 * 1024  # KiB


def main() -> int:
    options = _arguments()
    if os.geteuid() != 0:
        sys.exit("bench/lifecycle.py: needs root, as the runtimes do: sudo python3 ...")
    if _MARK not in os.environ:
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv]
        return subprocess.run(command, env={**os.environ, _MARK: "1"}).returncode
    unified = "/sys/fs/cgroup/unified"
    if os.path.ismount(unified):
        subprocess.run(["umount", unified], check=True)
    runtimes = _runtimes(options.pyoci)
    with tempfile.TemporaryDirectory(prefix="pyoci-bench-") as top:
        rootfs = _rootfs(top)
        plain = _bundle(f"{top}/plain", rootfs, None)
        filtered = _bundle(f"{top}/filtered", rootfs, PROFILE)
        results = {
            "no seccomp profile": _lifecycle(runtimes, plain, top, options.rounds),
            "podman's seccomp profile": _lifecycle(runtimes, filtered, top, options.rounds),
        }
        limits = {
            name: _smallest_limit(path, f"{top}/limited", rootfs, top)
            for name, path in runtimes.items()
        }
    if options.json:
        print(json.dumps({"milliseconds": results, "smallest_limit_kib": limits}, indent=2))
        return 0
    for title, medians in results.items():
        _print_table(title, medians)
    print("smallest memory limit in which /bin/true runs")
    for name, limit in limits.items():
        print(f"  {name:8} {'none found' if limit is None else f'{limit:6} KiB'}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25, help="rounds per table (25)")
    parser.add_argument("--pyoci", default=f"{CHECKOUT}/.venv/bin/pyoci", help="the pyoci command")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def _runtimes(pyoci: str) -> dict[str, str]:
    found = {"pyoci": os.path.abspath(pyoci)}
    if not os.access(found["pyoci"], os.X_OK):
        sys.exit(f"bench/lifecycle.py: {pyoci} is missing: run make venv, or give --pyoci")
    for name in ("runc", "crun"):
        path = shutil.which(name)
        if path:
            found[name] = path
        else:
            print(f"{name} is not installed: apt-get install {name}", file=sys.stderr)
    return found


def _rootfs(top: str) -> str:
    busybox = shutil.which("busybox")
    if busybox is None:
        sys.exit("bench/lifecycle.py: needs busybox-static: apt-get install busybox-static")
    rootfs = f"{top}/rootfs"
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc"):
        os.makedirs(f"{rootfs}/{name}")
    shutil.copy(busybox, f"{rootfs}/bin/busybox")
    for applet in ("sh", "true", "sleep", "cat"):
        os.symlink("busybox", f"{rootfs}/bin/{applet}")
    return rootfs


def _bundle(path: str, rootfs: str, profile: str | None, limit: int | None = None) -> str:
    """Write the bundle that all runtimes run: runc's default configuration, a little changed."""
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    subprocess.run(["runc", "spec", "--bundle", path], check=True)
    with open(f"{path}/config.json") as file:
        config = json.load(file)
    config["ociVersion"] = "1.0.0"
    config["root"]["path"] = rootfs
    config["process"].update(terminal=False, args=["/bin/sleep", "1000"])
    if profile is not None:
        with open(profile) as file:
            config["linux"]["seccomp"] = json.load(file)
    if limit is not None:
        config["linux"].setdefault("resources", {})["memory"] = {"limit": limit, "swap": limit}
        config["process"]["args"] = ["/bin/true"]
    with open(f"{path}/config.json", "w") as file:
        json.dump(config, file)
    # The same, but its program ends at once: for run.
    config["process"]["args"] = ["/bin/true"]
    os.makedirs(f"{path}/once")
    with open(f"{path}/once/config.json", "w") as file:
        json.dump(config, file)
    return path


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    # The container inherits the streams: a pipe would wait for its end.
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    took = (time.perf_counter() - began) * 1000
    if done.returncode:
        again = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}: {again.stderr.strip()}")
    return took


def _lifecycle(
    runtimes: dict[str, str], bundle: str, top: str, rounds: int
) -> dict[str, dict[str, float]]:
    samples: dict[str, dict[str, list[float]]] = {
        name: {verb: [] for verb in VERBS} for name in runtimes
    }
    for number in range(rounds + 2):
        for name, path in runtimes.items():
            root = ["--root", f"{top}/state-{name}"]
            container = f"bench-{name}"
            taken = {
                "create": _timed([path, *root, "create", "--bundle", bundle, container]),
                "start": _timed([path, *root, "start", container]),
                "state": _timed([path, *root, "state", container]),
                "exec": _timed([path, *root, "exec", container, "/bin/true"]),
            }
            subprocess.run([path, *root, "kill", container, "KILL"], check=True)
            _await_stopped(path, root, container)
            taken["delete"] = _timed([path, *root, "delete", container])
            once = f"{bundle}/once"
            taken["run"] = _timed([path, *root, "run", "--bundle", once, f"{container}-once"])
            if number >= 2:  # the first rounds fill caches
                for verb, value in taken.items():
                    samples[name][verb].append(value)
    return {
        name: {verb: statistics.median(values) for verb, values in verbs.items()}
        for name, verbs in samples.items()
    }


def _await_stopped(path: str, root: list[str], container: str) -> None:
    while True:
        state = subprocess.run([path, *root, "state", container], capture_output=True, check=True)
        if json.loads(state.stdout)["status"] == "stopped":
            return
        time.sleep(0.005)


def _smallest_limit(path: str, bundle: str, rootfs: str, top: str) -> int | None:
    """Find the smallest limit in KiB by bisection; a limit counts when three runs pass."""

    def passes(limit: int) -> bool:
        _bundle(bundle, rootfs, None, limit * 1024)
        command = [path, "--root", f"{top}/state-limit", "run", "--bundle", bundle, "bench-limit"]
        for _ in range(3):
            # A process killed for want of memory may leave a container behind.
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=60,
            )
            subprocess.run([*command[:3], "delete", "--force", "bench-limit"], capture_output=True)
            if done.returncode:
                return False
        return True

    if not passes(_LARGEST):
        return None
    low, high = _SMALLEST // 2, _LARGEST
    while high - low > 32:
        middle = (low + high) // 2 // 4 * 4  # whole pages
        if passes(middle):
            high = middle
        else:
            low = middle
    return high


def _print_table(title: str, medians: dict[str, dict[str, float]]) -> None:
    names = list(medians)
    print(f"{title}: median milliseconds (pyoci : peer)")
    print("  " + f"{'':8}" + "".join(f"{name:>10}" for name in names))
    for verb in VERBS:
        row = f"  {verb:8}" + "".join(f"{medians[name][verb]:10.1f}" for name in names)
        row += "".join(
            f"   {medians['pyoci'][verb] / medians[name][verb]:.2f} x {name}" for name in names[1:]
        )
        print(row)
    totals = {
        name: sum(medians[name][verb] for verb in ("create", "start", "state", "delete"))
        for name in names
    }
    row = f"  {'total':8}" + "".join(f"{totals[name]:10.1f}" for name in names)
    row += "".join(f"   {totals['pyoci'] / totals[name]:.2f} x {name}" for name in names[1:])
    print(row + "   (create + start + state + delete)")
    print()


if __name__ == "__main__":
    sys.exit(main())
