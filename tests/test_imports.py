"""The imports follow the journey of an example, one way only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ift_lib

PACKAGE = Path(__file__).parents[1] / "ift_lib"
ARROW = """
    errors files reading data hub_data templates encoding token_store store_building preparing batching prefix_tree
    cross_entropy model lora hardware distributed loss history stopping checkpoint train_config training
    tensorboard_log hub export weights adapters generation evaluation picture plots course run_config run
    run_command cli __main__
""".split()


def imports_of(path: Path) -> set[str]:
    """The modules (or subpackages) of ift_lib that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ift_lib."):
            found.add(node.module.split(".")[1])
    return found


def test_imports_follow_the_arrow() -> None:
    """Prevents the tangle in which data knows about training and nothing can be read alone."""
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name == "__init__":
            continue
        wrong = {other for other in imports_of(path) if ARROW.index(other) > ARROW.index(name)}
        assert not wrong, f"{path.name} imports {wrong}, which come after it"


def test_no_file_holds_two_ideas() -> None:
    """Prevents files that grow past what one sitting can read."""
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 340, f"{path.name} is too long: split it by idea"


@pytest.mark.parametrize("start", ["import ift_lib", "from ift_lib.cli import main; main(['--help'])"])
def test_nobody_waits_for_torch_who_does_not_use_it(start: str) -> None:
    """Prevents an `ift --help` of two seconds, and an editor that freezes at `import ift_lib`."""
    heavy = "assert not {'torch', 'numpy', 'tiktoken'} & set(sys.modules)"
    code = f"import sys\ntry:\n    {start}\nexcept SystemExit: pass\n{heavy}"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_public_name_is_there() -> None:
    """Prevents a name of `__all__` that no module has."""
    for name in ift_lib.__all__:
        assert hasattr(ift_lib, name) and name in dir(ift_lib)
    with pytest.raises(AttributeError, match="no attribute 'GTP'"):
        ift_lib.GTP  # noqa: B018
