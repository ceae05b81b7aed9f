"""The imports follow the journey of an example, one way only."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ift_lib"
ARROW = """
    errors files reading data hub_data templates encoding token_store store_building preparing batching prefix_tree
    model lora hardware distributed loss history stopping checkpoint train_config training tensorboard_log hub export
    weights adapters generation evaluation picture plots course run_config run run_command
    cli __main__
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
