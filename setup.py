"""Builds what setuptools does not know about: the container's init and the pyoci command, in C.

Metadata is in setup.cfg. Both programs are static, so a wheel works on every Linux of its machine
and with every Python: its tag is ``py3-none-linux_MACHINE``.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys

from setuptools import Command, Distribution, setup
from setuptools.command.build import build
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

# setuptools before 70.1 leaves wheels and scripts to these two packages.
try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    from wheel.bdist_wheel import bdist_wheel
from distutils.command.build_scripts import build_scripts

ROOT = os.path.dirname(os.path.abspath(__file__))
INIT = "pyoci/init/pyoci-init"
LAUNCHER = "pyoci/launcher/pyoci"
COMMIT = "pyoci/COMMIT"
MANUAL = "build/man"
MANUAL_TARGET = "share/man/man8"
COMPLETIONS = "build/completions"
# What shells look for below share/, and how they call it.
SHELLS = {
    "bash": ("bash-completion/completions", "pyoci"),
    "zsh": ("zsh/site-functions", "_pyoci"),
    "fish": ("fish/vendor_completions.d", "pyoci.fish"),
}


def commit() -> str | None:
    """Give the commit of this checkout; None outside of one."""
    if not os.path.exists(f"{ROOT}/.git"):
        return None
    try:
        found = subprocess.run(
            ["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def write_commit(directory: str) -> None:
    """Record the commit below a build directory, for ``pyoci --version``."""
    found = commit()
    if found:
        with open(f"{directory}/{COMMIT}", "w", encoding="ascii") as file:
            file.write(found + "\n")


def write_manual() -> None:
    """Write the manual pages and the shells' completions from the table of commands."""
    shutil.rmtree(f"{ROOT}/{MANUAL}", ignore_errors=True)
    os.makedirs(f"{ROOT}/{MANUAL}")
    subprocess.run([sys.executable, "-m", "pyoci.cli.man", MANUAL], cwd=ROOT, check=True)
    for shell, (_, name) in SHELLS.items():
        script = subprocess.run(
            [sys.executable, "-m", "pyoci", "completion", shell],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        os.makedirs(f"{ROOT}/{COMPLETIONS}/{shell}", exist_ok=True)
        with open(f"{ROOT}/{COMPLETIONS}/{shell}/{name}", "wb") as file:
            file.write(script.stdout)


class BinaryDistribution(Distribution):
    """A distribution that depends on the machine, though it has no extension modules."""

    def has_ext_modules(self) -> bool:
        """Say so, in setuptools' words."""
        return True


class BuildNative(Command):
    """Runs make in the directories with C, in place: the results are packaged like data files."""

    description = "build the init, the launcher, the manual pages and the completions"
    user_options: list[tuple[str, str, str]] = []
    editable_mode = False
    build_lib: str | None = None

    def initialize_options(self) -> None:
        """Take no options."""

    def finalize_options(self) -> None:
        """Need none."""

    def run(self) -> None:
        """Build both programs, the manual pages and the completions."""
        for target in (INIT, LAUNCHER):
            directory, name = os.path.split(target)
            make = ["make", "-C", f"{ROOT}/{directory}", name, f"PYTHON={sys.executable}"]
            try:
                subprocess.run(make, check=True)
            except FileNotFoundError:
                raise SystemExit(
                    "building pyoci needs make and a C compiler (Debian: apt-get install "
                    "gcc make libc6-dev)"
                ) from None
            except subprocess.CalledProcessError as error:
                raise SystemExit(f"{' '.join(make)} failed ({error.returncode})") from None
        write_manual()
        # Known only now: there is one a command.
        pages = sorted(glob.glob(f"{MANUAL}/*.8", root_dir=ROOT))
        self.distribution.data_files = [
            (directory, pages if directory == MANUAL_TARGET else files)
            for directory, files in self.distribution.data_files
        ]

    def get_source_files(self) -> list[str]:
        """Give nothing: MANIFEST.in lists the C sources."""
        return []

    def get_outputs(self) -> list[str]:
        """Give nothing: build_py and build_scripts copy what was built."""
        return []

    def get_output_mapping(self) -> dict[str, str]:
        """Give nothing, see get_outputs."""
        return {}


class Build(build):
    """Builds the native programs first, into a directory without leftovers."""

    sub_commands = [("build_native", None), *build.sub_commands]

    def run(self) -> None:
        """Build everything."""
        # setuptools never removes modules that no longer exist.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class BuildPackages(build_py):
    """Adds the commit to the packages."""

    def run(self) -> None:
        """Copy the packages."""
        super().run()
        if not self.editable_mode:
            write_commit(self.build_lib)


class BuildLauncher(build_scripts):
    """Copies the launcher as it is: it is no script whose first line could be adjusted."""

    def copy_scripts(self) -> tuple[list[str], list[str]]:
        """Put the launcher where scripts are installed from."""
        self.mkpath(self.build_dir)
        target = os.path.join(self.build_dir, os.path.basename(LAUNCHER))
        shutil.copyfile(f"{ROOT}/{LAUNCHER}", target)
        os.chmod(target, 0o755)
        return [target], [target]

    def get_source_files(self) -> list[str]:
        """Give nothing: a source distribution has no binaries."""
        return []


class Wheel(bdist_wheel):
    """A wheel for one machine and any Python: our binaries know nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Give py3-none-PLATFORM."""
        _, _, platform = super().get_tag()
        return "py3", "none", platform


class SourceDistribution(sdist):
    """Adds the commit to the source distribution, which has no git."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Lay the files out."""
        super().make_release_tree(base_dir, files)
        write_commit(base_dir)


setup(
    distclass=BinaryDistribution,
    scripts=[LAUNCHER],
    data_files=[
        (MANUAL_TARGET, []),
        *(
            (f"share/{directory}", [f"{COMPLETIONS}/{shell}/{name}"])
            for shell, (directory, name) in SHELLS.items()
        ),
        ("share/pyoci/engines", sorted(glob.glob("share/engines/*"))),
    ],
    cmdclass={
        "build": Build,
        "build_native": BuildNative,
        "build_py": BuildPackages,
        "build_scripts": BuildLauncher,
        "bdist_wheel": Wheel,
        "sdist": SourceDistribution,
    },
)
