"""The image the engines run: busybox, made without a registry, by pyoci-builder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile

NAME = "localhost/box"
TAG = "1"

APPLETS = (
    "sh ash true false cat echo sleep ls id env pwd mkdir touch stat readlink grep mount umount ps "
    "hostname kill head tail wc tr cut test tty stty rm ln cp mv chmod chown dd sed awk sort seq "
    "df od printf expr uname date nproc ip ifconfig setsid timeout nc wget httpd nslookup find "
    "xargs ping free top"
).split()

DOCKERFILE = """\
FROM scratch
COPY rootfs /
ENV PATH=/usr/local/bin:/usr/bin:/bin GREETING="hello there"
LABEL purpose=tests
RUN id -u > /built && hostname >> /etc/built-by && chmod 4755 /home/user/suid
WORKDIR /srv
EXPOSE 8080
VOLUME /volume
STOPSIGNAL SIGTERM
CMD ["sh", "-c", "echo $GREETING"]
"""


def write_rootfs(path: str, busybox: str) -> None:
    """Write a root file system with what the tests trip over."""
    for name in "bin dev proc sys tmp etc root home/user run var srv volume usr/bin".split():
        os.makedirs(f"{path}/{name}", exist_ok=True)
    os.chmod(f"{path}/tmp", 0o1777)
    shutil.copy(busybox, f"{path}/bin/busybox")
    for applet in APPLETS:
        os.symlink("busybox", f"{path}/bin/{applet}")
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n",
        "etc/group": "root:x:0:\nuser:x:1000:\nwheel:x:10:user\n",
        "srv/index.html": "served\n",
        "bin/not-executable": "#!/bin/sh\necho ran\n",
        "bin/no-interpreter": "#!/no/such/interpreter\n",
        "bin/not-a-program": "neither ELF nor script\n",
        "home/user/suid": "",
    }
    for name, text in files.items():
        with open(f"{path}/{name}", "w") as file:
            file.write(text)
    for name in ("bin/no-interpreter", "bin/not-a-program"):
        os.chmod(f"{path}/{name}", 0o755)


class Image:
    """The image in the forms that engines read."""

    def __init__(self, directory: str, builder: str, busybox: str) -> None:
        self.directory = directory
        self.builder = builder
        write_rootfs(f"{directory}/context/rootfs", busybox)
        with open(f"{directory}/context/Dockerfile", "w") as file:
            file.write(DOCKERFILE)
        self.layout = f"{directory}/layout"
        self.name = f"{NAME}:{TAG}"
        self.build("--tag", self.name, "--output", self.layout, f"{directory}/context")

    def build(self, *arguments: str) -> str:
        """Build with pyoci-builder; give what it wrote."""
        done = subprocess.run(
            [self.builder, "build", "--store", f"{self.directory}/store", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def rootfs(self) -> str:
        """The root file system as a directory."""
        return f"{self.directory}/context/rootfs"

    @property
    def archive(self) -> str:
        """The layout as a tar file (what containerd imports)."""
        path = f"{self.directory}/layout.tar"
        if not os.path.exists(path):
            with tarfile.open(path, "w") as archive:
                for name in sorted(os.listdir(self.layout)):
                    archive.add(f"{self.layout}/{name}", name)
        return path

    @property
    def docker_archive(self) -> str:
        """The image as `docker load` reads it."""
        path = f"{self.directory}/docker.tar"
        if not os.path.exists(path):
            skopeo = ["skopeo", "--insecure-policy", "copy", "--quiet"]
            places = [f"oci:{self.layout}:{TAG}", f"docker-archive:{path}:{self.name}"]
            subprocess.run([*skopeo, *places], check=True)
        return path
