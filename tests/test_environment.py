"""The files that describe the environment say the same thing, and the Makefile keeps its promises.

Six places can drift apart: pyproject.toml (ranges, for users), constraints.txt (exact pins, what we test),
environment.yml (conda and Binder), the Makefile, .ci/run and the README. Nothing here needs the network.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {extra: [Requirement(line) for line in lines] for extra, lines in PROJECT["optional-dependencies"].items()}
REQUIREMENTS = [
    pytest.param(requirement, id=f"{group}-{requirement.name}")
    for group, requirements in {"core": CORE, **EXTRAS}.items()
    for requirement in requirements
]

# The oldest and the newest release of each Python, on each system the lock is made for.
PYTHONS = [f"3.{minor}.{micro}" for minor in range(10, 15) for micro in (0, 99)]
SYSTEMS = [("linux", "posix", "x86_64"), ("darwin", "posix", "arm64"), ("win32", "nt", "AMD64")]
ENVIRONMENTS = [
    {
        **default_environment(),
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "implementation_version": python,
        "sys_platform": system,
        "os_name": os_name,
        "platform_machine": machine,
    }
    for python in PYTHONS
    for system, os_name, machine in SYSTEMS
]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def applies(requirement: Requirement, environment: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(environment)


def describe(environment: dict[str, str]) -> str:
    return f"Python {environment['python_full_version']} on {environment['sys_platform']}"


@pytest.fixture(scope="module")
def lock() -> list[Requirement]:
    lines = read("constraints.txt").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def pins(lock: list[Requirement]) -> list[dict[str, list[Version]]]:
    """For each environment: package name -> the versions it is pinned to there; one, if the lock is sound."""
    result = []
    for environment in ENVIRONMENTS:
        versions: dict[str, list[Version]] = {}
        for pin in lock:
            if applies(pin, environment):
                version = Version(next(iter(pin.specifier)).version)
                versions.setdefault(canonicalize_name(pin.name), []).append(version)
        result.append(versions)
    return result


# --- the lock -----------------------------------------------------------------------------------------------


def test_the_lock_holds_exact_pins_only(lock: list[Requirement]) -> None:
    """Bug: a range in the lock lets tomorrow's release into an environment that is called tested."""
    for pin in lock:
        assert [s.operator for s in pin.specifier] == ["=="], f"{pin} is not an exact pin"
        assert "*" not in str(pin.specifier), f"{pin} is not an exact pin"


def test_no_package_is_pinned_twice_in_one_environment(pins: list[dict[str, list[Version]]]) -> None:
    """Bug: two pins whose markers overlap make pip fail on one Python only, where none of us may look."""
    for environment, versions in zip(ENVIRONMENTS, pins, strict=True):
        twice = {name: found for name, found in versions.items() if len(found) > 1}
        assert not twice, f"{describe(environment)}: {twice}"


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_each_requirement_is_pinned_inside_its_range(
    requirement: Requirement, pins: list[dict[str, list[Version]]]
) -> None:
    """Bug: a requirement that only pyproject.toml knows is installed at the newest version of that day."""
    for environment, versions in zip(ENVIRONMENTS, pins, strict=True):
        if applies(requirement, environment):
            found = versions.get(canonicalize_name(requirement.name), [])
            assert found, f"{describe(environment)}: {requirement} is not in constraints.txt; run `make lock`"
            assert found[0] in requirement.specifier, f"{describe(environment)} has {found[0]}, not {requirement}"


def test_torch_is_the_version_our_numbers_were_made_with(lock: list[Requirement]) -> None:
    """Bug: a refreshed lock moves torch, and every bit-for-bit result in the book is quietly another one."""
    assert [str(pin) for pin in lock if pin.name == "torch"] == ["torch==2.13.0"]


# --- pyproject.toml -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("requirement", CORE, ids=lambda requirement: requirement.name)
def test_core_requirements_have_no_upper_bound(requirement: Requirement) -> None:
    """Bug: a pin or a needless upper bound in the package breaks the environment it is installed into."""
    operators = [specifier.operator for specifier in requirement.specifier]
    assert operators == [">="], f"{requirement}: exact versions and upper bounds go to constraints.txt"


def test_the_stated_pythons_are_the_same_everywhere() -> None:
    """Bug: a Python is announced in one file and refused by another."""
    supported = SpecifierSet(PROJECT["requires-python"])
    assert "3.9" not in supported
    assert all(python in supported for python in PYTHONS)
    minors = sorted({environment["python_version"] for environment in ENVIRONMENTS}, key=Version)
    classifiers = [line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if ":: 3." in line]
    assert classifiers == minors
    makefile = read("Makefile")
    assert re.findall(r"\bpython(3\.\d+)", makefile.split("PYTHONS :=")[1].splitlines()[0]) == minors
    assert "(3, 10) <= sys.version_info[:2] <= (3, 14)" in makefile


def imported_modules(path: Path) -> set[str]:
    """The names of the packages that a file imports, wherever in it; relative imports left out."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("folder", ["ift_lib", "tests"])
def test_every_import_is_declared(folder: str) -> None:
    """Bug: a package that happens to be installed beside another is imported, and is missing elsewhere."""
    extras = [requirement for requirements in EXTRAS.values() for requirement in requirements]
    declared = {canonicalize_name(requirement.name) for requirement in CORE + extras}
    providers = packages_distributions()  # module -> the distributions that hold it: sklearn -> scikit-learn
    known = {module for module, names in providers.items() if declared & set(map(canonicalize_name, names))}
    known |= sys.stdlib_module_names | {"ift_lib", "tools"} | {path.stem for path in (ROOT / "tests").rglob("*.py")}
    known |= {"tomli", "tomllib"}  # one of the two, by the Python
    known |= {name.replace("-", "_") for name in declared}  # what is declared and not installed, as the harness
    for path in sorted((ROOT / folder).rglob("*.py")):
        unknown = imported_modules(path) - known
        assert not unknown, f"{path.relative_to(ROOT)} imports {sorted(unknown)}, which no extra declares"


# --- environment.yml, README, .ci/run -----------------------------------------------------------------------


def test_conda_installs_the_same_environment(lock: list[Requirement]) -> None:
    """Bug: Binder runs other versions, another torch or fewer extras than a learner's own machine."""
    environment = yaml.safe_load(read("environment.yml"))
    *packages, pip_section = environment["dependencies"]
    conda = {name: rest for name, _, rest in (line.partition("=") for line in packages)}
    assert set(conda) == {"python", "pip", "pytorch"}
    assert any(environment["python_version"] == conda["python"] for environment in ENVIRONMENTS)
    version, _, build = conda["pytorch"].partition("=")
    assert f"torch=={version}" in map(str, lock), "another torch would be replaced by pip's, with CUDA"
    assert build == "cpu*", "Binder has no GPU, and no room for CUDA's libraries"
    constraints, project = pip_section["pip"]
    assert constraints == "-c constraints.txt"
    extras = re.fullmatch(r"-e \.\[([a-z,]+)\]", project)
    assert extras and {"course", "test"} <= set(extras[1].split(",")) <= set(EXTRAS)


def test_the_readme_begins_with_the_two_commands() -> None:
    """Bug: the first lines a newcomer copies are not the ones we test."""
    block = re.search(r"^```[^\n]*\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
    assert block, "README.md has no fenced block"
    commands = [line.partition("#")[0].strip().removeprefix("$ ") for line in block[1].splitlines()]
    assert [command for command in commands if command][:2] == ["make run", "make test"]


def test_ci_runs_what_a_person_runs() -> None:
    """Bug: CI passes by its own way of testing while `make test` is broken."""
    script = ROOT / ".ci/run"
    last = script.read_text(encoding="utf-8").rstrip().splitlines()[-1]
    assert re.fullmatch(r"exec make( --no-print-directory)? test", last)
    assert os.name != "posix" or os.access(script, os.X_OK), ".ci/run is not executable"


# --- the Makefile, driven with a Python that only pretends --------------------------------------------------

FAKE_PYTHON = """#!/bin/sh
# Pretends to be Python: answers the Makefile's questions and writes down what it is asked to do.
case "$*" in
    *sys.version_info*) exit $IS_UNFIT ;;
    *python_version*) echo 3.9.2 ;;
    *ensurepip*) exit $HAS_NO_VENV ;;
    --version) echo Python 3.12.0 ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo venv >>calls ;;
    "-m pip install "*) echo pip >>calls; exit $PIP_FAILS ;;
    *) echo "$*" >>calls ;;
esac
"""

needs_make = pytest.mark.skipif(os.name != "posix" or not shutil.which("make"), reason="needs make")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the files the Makefile needs, and a `fake` in the place of Python."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "fake").write_text(FAKE_PYTHON, encoding="utf-8")
    (tmp_path / "fake").chmod(0o755)
    return tmp_path


def make(folder: Path, target: str, **answers: str) -> subprocess.CompletedProcess[str]:
    """Runs one target with the fake Python; the `make` that we may run under leaves no trace in it."""
    answers = {"IS_UNFIT": "0", "HAS_NO_VENV": "0", "PIP_FAILS": "0", **answers}
    environment = {"PATH": os.environ["PATH"], **answers}
    command = ["make", target, "PYTHON=./fake"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def calls(folder: Path) -> list[str]:
    """What the fake Python was asked to do since the last look."""
    path = folder / "calls"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


@needs_make
def test_make_help_lists_every_target(checkout: Path) -> None:
    """Bug: a target in the README is gone, or a new one is in no list; or plain `make` starts to install."""
    listed = set(re.findall(r"^  make (\w+) ", make(checkout, "help").stdout, re.MULTILINE))
    commands = {
        "help",
        "run",
        "test",
        "lab",
        "notebooks",
        "book",
        "slides",
        "release",
        "bench",
        "lint",
        "lock",
        "clean",
    }
    assert listed == commands
    assert set(re.findall(r"(?:^|`)make (\w+)", read("README.md"), re.MULTILINE)) <= listed
    assert not calls(checkout)


@needs_make
def test_the_second_make_installs_nothing(checkout: Path) -> None:
    """Bug: each `make run` calls pip again, which takes seconds and fails without the network."""
    make(checkout, "run")
    assert calls(checkout) == ["venv", "pip", "-m ift_lib run"]
    make(checkout, "run")
    assert calls(checkout) == ["-m ift_lib run"]
    make(checkout, "test")
    assert calls(checkout) == ["-m ruff check .", "-m pytest --nbval --nbval-current-env --nbval-cell-timeout=300"]
    make(checkout, "notebooks")
    assert calls(checkout) == ["tools/build_notebooks.py"]


@needs_make
def test_the_book_is_installed_once_and_only_when_it_is_built(checkout: Path) -> None:
    """Bug: each learner waits for Sphinx; or each `make book` calls pip, and fails without the network."""
    make(checkout, "book")
    assert calls(checkout) == ["venv", "pip", "pip", "tools/build_book.py"]
    make(checkout, "book")
    make(checkout, "run")
    assert calls(checkout) == ["tools/build_book.py", "-m ift_lib run"]


@needs_make
@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_is_installed(checkout: Path, name: str) -> None:
    """Bug: after a pull that adds a dependency, the old environment is taken for the new one."""
    make(checkout, "run")
    ready = (checkout / ".venv/.ready").stat()
    os.utime(checkout / name, (ready.st_atime + 5, ready.st_mtime + 5))
    calls(checkout)
    make(checkout, "run")
    assert calls(checkout) == ["pip", "-m ift_lib run"]


@needs_make
def test_an_interrupted_install_is_begun_again(checkout: Path) -> None:
    """Bug: half an environment passes for a whole one, and fails much later at an import."""
    assert make(checkout, "run", PIP_FAILS="1").returncode != 0
    assert calls(checkout) == ["venv", "pip"]
    (checkout / ".venv/half-copied").touch()
    assert make(checkout, "run").returncode == 0
    assert calls(checkout) == ["venv", "pip", "-m ift_lib run"]
    assert not (checkout / ".venv/half-copied").exists()
    # The same for the update of a whole one.
    os.utime(checkout / "constraints.txt", (2**31 - 1, 2**31 - 1))
    make(checkout, "run", PIP_FAILS="1")
    os.utime(checkout / "constraints.txt", (0, 0))
    calls(checkout)
    make(checkout, "run")
    assert calls(checkout) == ["venv", "pip", "-m ift_lib run"]


@needs_make
def test_an_environment_without_its_python_is_made_again(checkout: Path) -> None:
    """Bug: an upgrade of Python removes the one the environment points to, and `make run` fails for ever."""
    make(checkout, "run")
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to("gone")
    calls(checkout)
    make(checkout, "run")
    assert calls(checkout) == ["venv", "pip", "-m ift_lib run"]


@needs_make
@pytest.mark.parametrize(
    ("answer", "message"),
    [("HAS_NO_VENV", "apt install python3-venv"), ("IS_UNFIT", "needs Python 3.10 to 3.14; found: 3.9.2.")],
)
def test_an_unsuitable_python_gets_one_clear_message(checkout: Path, answer: str, message: str) -> None:
    """Bug: on a fresh Debian the newcomer's first command ends in a traceback of ensurepip."""
    result = make(checkout, "run", **{answer: "1"})
    assert result.returncode != 0
    assert message in result.stderr
    assert not calls(checkout) and not (checkout / ".venv").exists()
