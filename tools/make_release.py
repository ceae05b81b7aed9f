"""The course in one zip, for a place without a network.

python tools/make_release.py             dist/NAME-VERSION.zip: sources, notebooks, and the book if it is built
python tools/make_release.py --wheels    dist/NAME-VERSION-SYSTEM-PYTHON.zip: also all packages, for this system

The same as `make release`, `make release ARGS=--wheels`. The packages have the versions of constraints.txt; most of it
is torch, on Linux with CUDA several gigabytes, without it (PIP_EXTRA_INDEX_URL, see docker/Dockerfile) some hundred
megabytes. The same files give the same zip, byte for byte.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
BOOK = "book/_build/html"
LARGE = {".whl", ".safetensors", ".png"}
"""Compressed already, or not to be compressed."""
WHEN = (1980, 1, 1, 0, 0, 0)
"""The time of each entry: the earliest that a zip can say."""

INSTALL = """\
{name} {version}

{needs}

1. {venv}
2. {install}
3. {start}

No network is needed for any of it{unless}. Begin with chapters/00_start_here.ipynb; README.md says what there is.
{book}"""


def project() -> dict[str, str]:
    """Name and version."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"name": table["name"], "version": table["version"]}


def tracked(root: Path = ROOT) -> list[Path]:
    """The files of the repository that git knows, as they lie there now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    return [root / name for name in sorted(listed.split("\0")) if name and (root / name).is_file()]


def built(root: Path = ROOT) -> list[Path]:
    """The pages of the book, if it is built."""
    return sorted(path for path in (root / BOOK).rglob("*") if path.is_file())


def download(folder: Path) -> list[Path]:
    """Wheels of our package and of everything that `.[course]` needs, at the versions of constraints.txt."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder), "-c", "constraints.txt"]
    subprocess.run([*pip, ".[course]"], cwd=ROOT, check=True)
    return sorted(folder.iterdir())


def instructions(wheels: bool, book: bool) -> str:
    """INSTALL.txt: three lines to type, for this system if it comes with packages, else for Linux and macOS."""
    windows = wheels and platform.system() == "Windows"
    bin_ = ".venv\\Scripts\\" if windows else ".venv/bin/"
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    source = "--no-index --find-links wheels " if wheels else ""
    return INSTALL.format(
        **project(),
        needs=f"Needs Python {minor} on {system()}." if wheels else "Needs Python 3.10 to 3.14 (Linux, macOS).",
        venv=("py" if windows else f"python{minor}" if wheels else "python3") + " -m venv .venv",
        install=f'{bin_}python -m pip install {source}-c constraints.txt "ift-lib[course]"'
        if wheels
        else f'{bin_}python -m pip install -c constraints.txt ".[course]"',
        start=f"{bin_}python -m jupyterlab chapters",
        unless="" if wheels else " but the second line",
        book=f"The book: open {BOOK}/index.html in a browser.\n" if book else "",
    )


def system() -> str:
    """Such as linux-x86_64."""
    return sysconfig.get_platform().replace(".", "_")


def entries(wheels: Sequence[Path]) -> Iterator[tuple[str, bytes, int]]:
    """Name, content and mode of each file of the zip, in the order in which they go into it."""
    book = built()
    yield "INSTALL.txt", instructions(bool(wheels), bool(book)).encode(), 0o644
    for path in [*tracked(), *book]:
        mode = 0o755 if path.read_bytes()[:2] == b"#!" else 0o644  # not the file's own: Windows has none
        yield path.relative_to(ROOT).as_posix(), path.read_bytes(), mode
    for path in wheels:
        yield f"wheels/{path.name}", path.read_bytes(), 0o644


def write(target: Path, wheels: Sequence[Path] = ()) -> None:
    """Write the zip; everything in it lies in one folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w") as archive:
        for name, content, mode in entries(wheels):
            entry = zipfile.ZipInfo("{name}-{version}/".format(**project()) + name, WHEN)
            entry.create_system = 3  # Unix, also where it is made on Windows
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_STORED if Path(name).suffix in LARGE else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    temporary.replace(target)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", action="store_true", help="put in all packages, for this system and Python")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the zip (default: dist)")
    args = parser.parse_args(argv)
    stem = "{name}-{version}".format(**project())
    with tempfile.TemporaryDirectory() as folder:
        wheels = download(Path(folder)) if args.wheels else []
        tail = f"-{system()}-py{sys.version_info.major}{sys.version_info.minor}" if args.wheels else ""
        target = args.out / f"{stem}{tail}.zip"
        write(target, wheels)
    book = "with the book" if built() else "without the book, which is not built (make book)"
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB, {book}, {len(wheels)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
