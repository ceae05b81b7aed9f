"""What the repository shows besides its code: workflows, forms, licences, addresses, links, the zip. No network."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
check_links = importlib.import_module("check_links")
make_release = importlib.import_module("make_release")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "custom.github-workflows-require-timeout": WORKFLOWS,
    "vendor.github-issue-forms": sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[0-9]*.yml")),
    "vendor.github-issue-config": [ROOT / ".github/ISSUE_TEMPLATE/config.yml"],
    "vendor.dependabot": [ROOT / ".github/dependabot.yml"],
    "vendor.citation-file-format": [ROOT / "CITATION.cff"],
}
OTHERS = {
    "EleutherAI/lm-evaluation-harness",
    "hendrycks/test",
    "huggingface/transformers",
    "openai/gpt-2",
    "tatsu-lab/alpaca_eval",
    "tatsu-lab/stanford_alpaca",
}
"""Repositories of others that we name."""
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "chapters/README.md"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def linter(name: str) -> str:
    """The path of a program of the extra `dev`."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        assert not os.environ.get("CI"), f"CI must have {name}"
        pytest.skip(f"{name} is not installed; it is in the extra dev")
    return found


# --- what GitHub and others read ----------------------------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_have_the_form_their_reader_expects(schema: str) -> None:
    """Bug: a form or a workflow with a misspelled key is dropped by GitHub without a word."""
    files = SCHEMAS[schema]
    assert files
    command = [linter("check-jsonschema"), "--builtin-schema", schema, *map(str, files)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_workflows_are_safe() -> None:
    """Bug: an action that moves, a token that may write, or text of a stranger that runs as a command."""
    command = [linter("zizmor"), "--offline", "--no-progress", str(ROOT / ".github")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "failed to parse" not in result.stderr, result.stderr  # a file it cannot read, it leaves out


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_ask_for_nothing_more_than_they_need(path: Path) -> None:
    """Bug: one job that publishes gives its rights to all."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {} and workflow["concurrency"]
    writing = {name for name, job in workflow["jobs"].items() if "write" in job["permissions"].values()}
    assert writing == ({"pages", "zip"} if path.stem == "publish" else set())
    for step in [step for job in workflow["jobs"].values() for step in job["steps"]]:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"none@{'0' * 40}"))


def test_workflows_try_the_oldest_and_the_newest_python_on_three_systems() -> None:
    """Bug: pyproject.toml announces a Python or a system that nobody tries."""
    matrix = yaml.safe_load(text(".github/workflows/tests.yml"))["jobs"]["light"]["strategy"]["matrix"]
    minors = [line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if ":: 3." in line]
    assert matrix["python"] == [minors[0], minors[-1]]
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]


def test_the_forms_ask_for_the_doctor() -> None:
    """Bug: a bug report without versions, and a week goes by in questions."""
    form = yaml.safe_load(text(".github/ISSUE_TEMPLATE/1_bug.yml"))
    (field,) = [part for part in form["body"] if "ift doctor" in part["attributes"]["label"]]
    assert field["validations"]["required"] and field["attributes"]["render"] == "text"


def test_the_citation_names_the_version() -> None:
    """Bug: people cite a version that they do not have."""
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["version"] == PROJECT["version"] and citation["repository-code"] == ADDRESS


def test_the_changelog_knows_the_version() -> None:
    """Bug: a release without a word of what changed; before the first one, the heading is Unreleased."""
    headings = re.findall(r"^## \[(.+?)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert PROJECT["version"] in headings or headings == ["Unreleased"]


# --- one address --------------------------------------------------------------------------------------------


def ours(content: str) -> set[str]:
    """The OWNER/NAME of every repository that a text sends its reader to."""
    patterns = (
        r"github\.com/([\w.-]+/[\w.-]*\w)",
        r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]*\w)/",
        r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]*\w)/",
        r"([\w-]+)\.github\.io/([\w.-]*\w)",
    )
    found = [match for pattern in patterns for match in re.findall(pattern, content)]
    return {"/".join(name) if isinstance(name, tuple) else name.removesuffix(".git") for name in found}


def test_the_address_stands_in_one_place() -> None:
    """Bug: the repository moves, and badges, forms and the citation send people to where it was."""
    assert ours(
        "[x](https://colab.research.google.com/github/a/b/blob/main/c) git+https://github.com/d/e.git, f.github.io/g/"
    ) == {
        "a/b",
        "d/e",
        "f/g",
    }
    allowed = OTHERS | {ADDRESS.removeprefix("https://github.com/")}
    wrong = {}
    for path in make_release.tracked():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix not in {".png", ".safetensors"} and not name.startswith("tests/"):
            if found := ours(path.read_text(encoding="utf-8", errors="ignore")) - allowed:
                wrong[name] = found
    assert not wrong, f"neither {ADDRESS} nor a repository that OTHERS lists"


# --- links --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_the_documents(name: str) -> None:
    """Bug: the README sends its reader to a file that was renamed."""
    folder = (ROOT / name).parent
    for link in re.findall(r"(?:\]\(|src=\")([^)#\"]+)", text(name)):
        assert ":" in link or (folder / link).exists(), link


def test_links_are_found_whole() -> None:
    """Bug: a link with a bracket in it is cut, and reported as dead; or that of a badge swallows what follows."""
    content = "[![b](https://x.org/b.svg)](https://y.org/a_(b)), <https://z.org/q?a=1#t>, `https://w.org/`. http://localhost:8"
    assert check_links.links(content) == {
        "https://x.org/b.svg",
        "https://y.org/a_(b)",
        "https://z.org/q?a=1",
        "https://w.org/",
    }


class _Server(BaseHTTPRequestHandler):
    """Answers with the number in the path."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "state"), [(200, "fine"), (404, "dead"), (410, "dead"), (403, "unsure"), (503, "unsure")]
)
def test_a_refusal_is_not_a_dead_link(server: str, code: int, state: str) -> None:
    """Bug: a journal that refuses programs fails the check each month, until nobody looks."""
    assert check_links.visit(f"{server}/{code}")[0] == state


# --- licences -----------------------------------------------------------------------------------------------

LICENCE = re.compile(r"CC-BY|CC BY|CC0|MIT License")
NO_DATA = "DATASET.md FLAWED.md SHA256SUMS"


def test_each_file_of_data_has_its_licence_beside_it() -> None:
    """Bug: a teacher who wants to pass on a sample cannot know whether she may."""
    assets = ROOT / "ift_lib/assets"
    cards = [path for path in assets.rglob("*") if path.suffix == ".md" or path.name == "LICENSE"]
    licensed = {path.parent for path in cards if LICENCE.search(path.read_text(encoding="utf-8"))}
    top = "".join(path.read_text(encoding="utf-8") for path in assets.glob("*.md"))
    for path in make_release.tracked():
        if assets in path.parents:
            folders = {folder for folder in path.parents if assets in folder.parents}
            assert folders & licensed or (not folders and path.name in top + NO_DATA), path


def test_the_package_carries_the_licences() -> None:
    """Bug: the wheel gives away OpenAI's vocabulary without its licence."""
    stated = set(PROJECT["license-files"])
    assert stated == {path.relative_to(ROOT).as_posix() for path in make_release.tracked() if "LICENSE" in path.name}
    for short in ("CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT", "Apache-2.0"):
        assert short in PROJECT["license"].split(" AND ")


# --- the zip ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip, with a package that is none."""
    folder = tmp_path_factory.mktemp("release")
    wheel = folder / "some-1.0-py3-none-any.whl"
    wheel.write_bytes(b"packed")
    make_release.write(folder / "course.zip", [wheel])
    return folder / "course.zip"


def test_the_zip_holds_what_a_learner_needs(archive: Path) -> None:
    """Bug: the class sits without a network, and the weights are not in the zip; or it is full of caches."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        names = {name.partition("/")[2] for name in opened.namelist()}
        top = {name.partition("/")[0] for name in opened.namelist()}
        install = opened.read(f"{next(iter(top))}/INSTALL.txt").decode()
    assert top == {f"ift-lib-{PROJECT['version']}"}
    chapters = {f"chapters/{path.name}" for path in (ROOT / "chapters").glob("*.ipynb")}
    assert {"README.md", "constraints.txt", "ift_lib/assets/pocket/model.safetensors", *chapters} <= names
    assert "wheels/some-1.0-py3-none-any.whl" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", ".git/"))]
    assert re.findall(r"^(\d)\. ", install, re.MULTILINE) == ["1", "2", "3"] and "--no-index" in install


def test_the_same_files_give_the_same_zip(archive: Path, tmp_path: Path) -> None:
    """Bug: nobody can tell whether two zips hold the same course."""
    later = tmp_path / "later"
    later.mkdir()
    wheel = shutil.copy(archive.with_name("some-1.0-py3-none-any.whl"), later)
    os.utime(wheel, (1, 1))
    make_release.write(later / "again.zip", [Path(wheel)])
    assert (later / "again.zip").read_bytes() == archive.read_bytes()


# --- Binder and containers ----------------------------------------------------------------------------------


def test_binder_reads_our_environment() -> None:
    """Bug: Binder takes a Dockerfile before environment.yml, and leaves out what .dockerignore says."""
    for name in ("Dockerfile", ".dockerignore", "binder", ".binder"):
        assert not (ROOT / name).exists(), name


def test_the_container_copies_what_is_there() -> None:
    """Bug: a file is renamed, and the image no longer builds; or the list of what the builder sees leaves it out."""
    docker = text("docker/Dockerfile")
    seen = re.findall(r"^!(.+)$", text("docker/Dockerfile.dockerignore"), re.MULTILINE)
    copied = [
        name for line in re.findall(r"^COPY --chown=learner (.+)$", docker, re.MULTILINE) for name in line.split()[:-1]
    ]
    assert copied == seen and all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "constraints.txt", PROJECT["readme"]} <= set(copied)
    assert re.search(r"^USER (?!root)", docker, re.MULTILINE)


def test_the_dev_container_makes_the_environment() -> None:
    """Bug: a codespace opens without the packages."""
    container = json.loads(text(".devcontainer/devcontainer.json"))
    target = container["postCreateCommand"].removeprefix("make ")
    assert target == ".venv/.ready" and "READY  := $(VENV)/.ready" in text("Makefile")
    assert container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"].endswith(
        ".venv/bin/python"
    )
