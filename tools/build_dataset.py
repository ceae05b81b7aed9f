"""Build the course's instruction data set from its plain-text sources.

    python tools/build_dataset.py                  write ift_lib/assets/instructions.json and accepted.json
    python tools/build_dataset.py --check          write nothing; exit 1 when a file is stale
    python tools/build_dataset.py --show FILE ...  read these source files only; print ten entries of each

Each `tools/dataset/<category>.txt` holds blocks, separated by a line `---`:

    # a comment
    @ask What is the opposite of "{word}"?          one way to ask; five or more of them
    @ask Write the opposite of this word. >> {word}   what follows " >> " becomes the input
    @answer The opposite of {word} is {opposite}.   the output
    word | opposite                                 the columns
    hot | cold                                      one item a row
    big | small; little                             accepted alternatives; the first one goes into the output

Every item is used once, with one wording; the wordings are spread evenly over a block by a seeded shuffle.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tools" / "dataset"
ASSETS = ROOT / "ift_lib" / "assets"
SEED = 124
MIN_ASKS = 5

SLOT = re.compile(r"\{(\w+)\}")
Row = dict[str, str]
Entry = dict[str, str]


class SourceError(ValueError):
    """All mistakes of the source files, one line `file:line: what is wrong` for each."""


@dataclass
class Block:
    """One kind of task: the ways to ask, the answer, and a table of items."""

    line: int
    asks: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    """(line number, cells) of each item."""

    def asked(self) -> set[str]:
        """The columns that the learner's model gets to see."""
        return {slot for ask in self.asks for slot in SLOT.findall(ask)}

    def answered(self) -> set[str]:
        """The columns that only its answer contains; these may hold alternatives."""
        return {slot for answer in self.answers for slot in SLOT.findall(answer)} - self.asked()


def parse(text: str) -> list[Block]:
    """Cut a source file into blocks; line numbers are kept for the error messages."""
    blocks = [Block(line=1)]
    for number, line in enumerate(text.splitlines(), start=1):
        if line == "---":
            blocks.append(Block(line=number + 1))
        else:
            add_line(blocks[-1], number, line)
    return blocks


def add_line(block: Block, number: int, line: str) -> None:
    """Sort one line into its block: comment, wording, answer, column names, or item."""
    if not line.strip() or line.startswith("#"):
        return
    if line.startswith("@ask "):
        block.asks.append(line.removeprefix("@ask ").replace("\\n", "\n"))
    elif line.startswith("@answer "):
        block.answers.append(line.removeprefix("@answer ").replace("\\n", "\n"))
    elif not block.columns:
        block.columns = line.split(" | ")
    else:
        block.rows.append((number, [cell.replace("\\n", "\n") for cell in line.split(" | ")]))


def problems(blocks: list[Block]) -> Iterator[tuple[int, str]]:
    """Yield (line, message) for every mistake in one category's blocks."""
    for block in blocks:
        yield from heading_problems(block)
        yield from row_problems(block)
    yield from repeated_items(blocks)


def heading_problems(block: Block) -> Iterator[tuple[int, str]]:
    """Mistakes above the table: wordings, answer, column names."""
    whole_ask = len(block.asks) == 1 and SLOT.fullmatch(block.asks[0].split(" >> ")[0])
    if len(block.asks) < MIN_ASKS and not whole_ask:
        yield (
            block.line,
            f'{len(block.asks)} @ask lines; write at least {MIN_ASKS}, or one that is only "{{question}}"',
        )
    if len(set(block.asks)) < len(block.asks):
        yield block.line, "the same @ask stands twice in this block"
    if len(block.answers) != 1:
        yield block.line, f"{len(block.answers)} @answer lines; write exactly one"
    used = block.asked() | block.answered()
    for name in sorted(used - set(block.columns)):
        yield block.line, f"slot {{{name}}} is no column; the columns are {' | '.join(block.columns)}"
    for name in sorted(set(block.columns) - used):
        yield block.line, f"column {name!r} is used by no @ask and no @answer"


def row_problems(block: Block) -> Iterator[tuple[int, str]]:
    """Mistakes inside the table."""
    for number, cells in block.rows:
        if len(cells) != len(block.columns):
            yield number, f"{len(cells)} cells, but the columns are {' | '.join(block.columns)}"
        for name, cell in zip(block.columns, cells, strict=False):
            if cell != cell.strip() or not cell:
                yield number, f"column {name!r} is empty or has stray spaces: {cell!r}"
            if not cell.replace("\n", "").isascii() or not cell.replace("\n", "").isprintable():
                yield number, f"column {name!r} is not plain ASCII: {cell!r}"
            if ";" in cell and name not in block.answered():
                yield number, f'column {name!r} may not hold ";" (only an answer has alternatives): {cell!r}'


def repeated_items(blocks: list[Block]) -> Iterator[tuple[int, str]]:
    """An item that was asked before in this category, in any block and under any wording."""
    seen: dict[tuple[str, ...], int] = {}
    for block in blocks:
        for number, cells in block.rows:
            row = dict(zip(block.columns, cells, strict=False))
            item = tuple(sorted(row[name].casefold() for name in block.asked() & row.keys()))
            if item in seen:
                yield number, f"the item of line {seen[item]} again: {' | '.join(cells)!r}"
            seen.setdefault(item, number)


def fill(template: str, row: Row) -> str:
    """Put the cells of a row into the slots of a template."""
    return SLOT.sub(lambda slot: row[slot[1]], template)


def spread(asks: list[str], count: int, rng: random.Random) -> list[str]:
    """`count` wordings in random order, each used equally often (give or take one)."""
    asks = rng.sample(asks, len(asks))
    wordings = [asks[i % len(asks)] for i in range(count)]
    rng.shuffle(wordings)
    return wordings


def block_entries(category: str, block: Block, rng: random.Random) -> Iterator[tuple[Entry, list[str]]]:
    """Yield (entry, every accepted output) for each item of a block."""
    for ask, (_, cells) in zip(spread(block.asks, len(block.rows), rng), block.rows, strict=True):
        row = dict(zip(block.columns, cells, strict=True))
        instruction, _, input_ = fill(ask, row).partition(" >> ")
        outputs = [fill(block.answers[0], choice) for choice in choices(row, block.answered())]
        entry = {"instruction": instruction, "input": input_, "output": outputs[0], "category": category}
        yield entry, outputs


def choices(row: Row, names: set[str]) -> list[Row]:
    """The row once per alternative: first alternatives together, then second ones, and so on."""
    options = {name: [option.strip() for option in row[name].split(";")] for name in names}
    longest = max((len(found) for found in options.values()), default=1)
    return [row | {name: found[min(i, len(found) - 1)] for name, found in options.items()} for i in range(longest)]


def read_category(path: Path) -> list[tuple[Entry, list[str]]]:
    """All entries of one source file. Raises SourceError with every mistake in it."""
    blocks = parse(path.read_text(encoding="utf-8"))
    if found := [f"{path}:{line}: {message}" for line, message in problems(blocks)]:
        raise SourceError("\n".join(found))
    rng = random.Random(f"{SEED} {path.stem}")  # its own generator: a change here moves no other category's wordings
    return [pair for block in blocks for pair in block_entries(path.stem, block, rng)]


def read_all(paths: list[Path]) -> list[tuple[Entry, list[str]]]:
    """All entries of all files, in random order. Raises SourceError with the mistakes of every file."""
    pairs, errors = [], []
    for path in paths:
        try:
            pairs += read_category(path)
        except SourceError as error:
            errors.append(str(error))
    if errors:
        raise SourceError("\n".join(errors))
    random.Random(SEED).shuffle(pairs)
    return pairs


def build(paths: list[Path]) -> dict[Path, str]:
    """The text of each file to write."""
    pairs = read_all(paths)
    entries = [entry for entry, _ in pairs]
    accepted = {question(entry): outputs for entry, outputs in pairs if len(outputs) > 1}
    return {
        ASSETS / "instructions.json": to_json(entries),
        ASSETS / "accepted.json": to_json(dict(sorted(accepted.items()))),
    }


def question(entry: Entry) -> str:
    """The key of an entry in accepted.json: instruction, newline, input."""
    return entry["instruction"] + "\n" + entry["input"]


def to_json(value: object) -> str:
    """The one JSON layout of our assets."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def is_current(path: Path, text: str) -> bool:
    """True when the file holds exactly this text."""
    return path.exists() and path.read_bytes() == text.encode("utf-8")


def write(path: Path, text: str) -> None:
    """Write under a temporary name and rename, so that no reader ever sees half a file."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(text.encode("utf-8"))
    temporary.replace(path)


def check(files: dict[Path, str]) -> int:
    """Report the stale files; the exit status is 1 when there is one."""
    stale = [path for path, text in files.items() if not is_current(path, text)]
    for path in stale:
        print(f"{path} is stale: run python tools/build_dataset.py", file=sys.stderr)
    return 1 if stale else 0


def show(paths: list[Path], count: int = 10) -> None:
    """Print how many entries each file gives, and some of them."""
    for path in paths:
        pairs = read_category(path)
        print(f"== {path.stem}: {len(pairs)} entries")
        for entry, outputs in random.Random(SEED).sample(pairs, min(count, len(pairs))):
            print(f"[{entry['instruction']}] [{entry['input']}] -> {' / '.join(outputs)}")


def main() -> int:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(description="Build ift_lib/assets/instructions.json from tools/dataset/*.txt.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    parser.add_argument("--show", type=Path, nargs="+", metavar="FILE", help="print entries of these source files")
    arguments = parser.parse_args()
    try:
        if arguments.show:
            show(arguments.show)
            return 0
        files = build(sorted(SOURCES.glob("*.txt")))
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.check:
        return check(files)
    for path, text in files.items():
        write(path, text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
