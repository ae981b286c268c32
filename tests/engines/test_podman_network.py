"""Networks and pods of podman."""

from __future__ import annotations

import json

from podman_engine import IMAGE, Podman


def test_published_port_is_served(podman: Podman) -> None:
    port = "18080" if podman.runtime == "pyoci" else "18081"
    podman.start("-p", f"127.0.0.1:{port}:80", "--", "httpd", "-f", "-p", "80", "-h", "/srv")
    get = ["wget", "-q", "-O", "-", f"http://127.0.0.1:{port}/"]
    assert podman.enclosure.ok("busybox", *get) == "served\n"


def test_no_network(podman: Podman) -> None:
    assert podman.shell("ls /sys/class/net", "--network=none") == "lo"


def test_host_network(podman: Podman) -> None:
    text = podman.shell("readlink /proc/self/ns/net; hostname", "--network=host").split()
    assert text[0] == podman.enclosure.ok("readlink", "/proc/1/ns/net").strip()
    assert text[1] == "enclosure"


def test_containers_of_a_network_find_each_other_by_name(podman: Podman) -> None:
    network = podman.new_name()
    podman.ok("network", "create", network)
    server = podman.start("--network", network, "--", "httpd", "-f", "-p", "80", "-h", "/srv")
    get = ("wget", "-q", "-O", "-", f"http://{server}/")
    assert podman.output("--network", network, "--", *get) == "served"
    podman.clean_up()
    podman.ok("network", "rm", network)


def test_network_namespace_is_gone_afterwards(podman: Podman) -> None:
    before = podman.enclosure.call("ls", "/run/netns").stdout
    podman.output("--", "true")
    assert podman.enclosure.call("ls", "/run/netns").stdout == before


def test_pod_shares_namespaces(podman: Podman) -> None:
    pod = f"pod-{podman.new_name()}"
    podman.ok("pod", "create", "--name", pod, "--share=net,ipc,uts", "--hostname=shared")
    try:
        podman.start("--pod", pod, "--", "httpd", "-f", "-p", "80", "-h", "/srv")
        script = "hostname; wget -q -O - http://127.0.0.1/"
        assert podman.shell(script, "--pod", pod) == "shared\nserved"
        containers = json.loads(podman.ok("pod", "inspect", pod))["Containers"]
        assert len(containers) == 2
        runtimes = {podman.inspect(c["Id"], "{{.OCIRuntime}}") for c in containers}
        assert runtimes == {podman.runtime}
        podman.ok("pod", "pause", pod)
        podman.ok("pod", "unpause", pod)
        podman.ok("pod", "stop", "--time=0", pod)
    finally:
        podman.ok("pod", "rm", "--force", "--time=0", pod)


def test_pod_with_a_shared_pid_namespace(podman: Podman) -> None:
    pod = f"pod-{podman.new_name()}"
    podman.ok("pod", "create", "--name", pod, "--share=pid,net")
    try:
        name = podman.start("--pod", pod, "--", "sleep", "4321")
        assert podman.ok("exec", name, "cat", "/proc/1/comm") == "catatonit"
        assert "sleep 4321" in podman.shell("ps", "--pod", pod)
    finally:
        podman.ok("pod", "rm", "--force", "--time=0", pod)


def test_kubernetes_manifest(podman: Podman) -> None:
    pod = f"pod-{podman.new_name()}"
    manifest = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: {pod}}}
spec:
  containers:
  - name: web
    image: {IMAGE}
    command: [httpd, -f, -p, "80", -h, /srv]
  - name: client
    image: {IMAGE}
    command: [sleep, "1000"]
    securityContext: {{runAsUser: 1000}}
"""
    path = f"/run/{pod}.yaml"
    podman.enclosure.write(path, manifest)
    try:
        podman.ok("play", "kube", path)
        get = ["sh", "-c", "id -u; wget -q -O - http://127.0.0.1/"]
        assert podman.ok("exec", f"{pod}-client", *get) == "1000\nserved"
    finally:
        podman.ok("pod", "rm", "--force", "--time=0", pod)
