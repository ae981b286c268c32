"""Modules from the one file: in the order of their needs, without the import system's help."""

from __future__ import annotations

import marshal
import os
import sys
from typing import Any

import pytest

from pyoci import module_file, modules
from pyoci.modules import Finder

SOURCES = {
    "pyoci/__init__.py": "order = []\n",
    "pyoci/first.py": (
        "from __future__ import annotations\n"
        "from pyoci import order\n"
        "from pyoci.second import VALUE\n"
        "import pyoci.third\n"
        "TYPE_CHECKING = False\n"
        "if TYPE_CHECKING:\n"
        "    from pyoci.never import X\n"
        "def later():\n"
        "    import pyoci.never\n"
        "order.append('first')\n"
    ),
    "pyoci/second.py": "from pyoci import order\nVALUE = 2\norder.append('second')\n",
    "pyoci/third.py": "from pyoci import order, second\norder.append('third')\n",
    "pyoci/never.py": "from pyoci import order\norder.append('never')\n",
    "pyoci/broken.py": "import pyoci.second\nraise RuntimeError('broken')\n",
}


@pytest.fixture
def top(tmp_path, monkeypatch):
    """A package of its own that is called pyoci, in place of ours."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyoci"]:
        monkeypatch.delitem(sys.modules, name)
    os.makedirs(tmp_path / "pyoci")
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text)
    with open(modules.__file__) as source:
        (tmp_path / "pyoci/modules.py").write_text(source.read())
    yield str(tmp_path)
    # Loaded here, so none of monkeypatch's business.
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyoci"]:
        del sys.modules[name]


@pytest.fixture
def finder(top, monkeypatch):
    names = ["pyoci", *(f"pyoci.{name}" for name in ("first", "second", "third", "broken"))]
    path = f"{top}/file"
    with open(path, "wb") as file:
        file.write(module_file._content(top, names))
    found = Finder(top, os.open(path, os.O_RDONLY))
    monkeypatch.setattr(sys, "meta_path", [found, *sys.meta_path])
    yield found
    os.close(found.file)


def test_what_a_module_needs_is_loaded_before_it(finder):
    finder.load("pyoci.first")
    assert sys.modules["pyoci"].order == ["second", "third", "first"]
    assert sys.modules["pyoci.first"].VALUE == 2
    assert finder.missed == []


def test_the_import_system_has_nothing_left_to_do(finder, monkeypatch):
    def asked(name: str, *rest: Any) -> None:
        raise AssertionError(name)

    monkeypatch.setattr(Finder, "find_spec", asked)
    finder.load("pyoci.first")
    assert [name for name in sys.modules if name.startswith("pyoci.")]


def test_modules_are_attributes_of_their_package(finder):
    finder.load("pyoci.first")
    package = sys.modules["pyoci"]
    assert package.first is sys.modules["pyoci.first"]
    assert package.third is sys.modules["pyoci.third"]
    assert package.__path__ == [f"{finder.directory}/pyoci"]
    assert package.first.__file__ == f"{finder.directory}/pyoci/first.py"


def test_an_import_statement_finds_what_is_in_the_file(finder):
    import pyoci.first

    assert pyoci.first.__spec__.loader is finder
    assert pyoci.order == ["second", "third", "first"]


def test_what_a_function_imports_or_the_type_checker_is_not_needed(finder):
    finder.load("pyoci.first")
    assert "pyoci.never" not in sys.modules


def test_a_module_that_fails_leaves_no_half_of_itself(finder):
    with pytest.raises(RuntimeError):
        finder.load("pyoci.broken")
    assert "pyoci.broken" not in sys.modules
    assert "pyoci.second" in sys.modules


def test_a_changed_source_is_left_to_the_import_system(finder, top):
    with open(f"{top}/pyoci/second.py", "a") as file:
        file.write("VALUE = 3\n")
    finder.load("pyoci.second")
    assert "pyoci.second" not in sys.modules
    assert finder.missed == ["pyoci.second"]
    finder.load("pyoci.first")
    assert sys.modules["pyoci.first"].VALUE == 3


def test_code_has_neither_docstrings_nor_the_future(top):
    source = module_file._Source(top, "pyoci/first.py")
    assert b"__future__" not in marshal.dumps(source.code)
