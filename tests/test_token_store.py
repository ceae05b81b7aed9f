"""Large data files (reading, store_building, token_store, preparing): what small ones give, in little memory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from tiny import make_tiny

from ift_lib import preparing, reading, run, store_building
from ift_lib.batching import batch_order, collate, in_order, lengths_of
from ift_lib.data import EMBEDDED, Split, examine, load_examples, split_examples
from ift_lib.encoding import encode_example
from ift_lib.errors import InputError
from ift_lib.preparing import Prepared
from ift_lib.run import prepare
from ift_lib.run_config import RunConfig
from ift_lib.templates import ALPACA
from ift_lib.token_store import StoredExamples, TokenStore, stores_folder
from ift_lib.training import TrainConfig, train


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every file counts as large."""
    monkeypatch.setattr(preparing, "LARGE", -1)


def both_ways(path: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> tuple[Prepared, Prepared]:
    """The file as a small one and as a large one; the small one without the search for near-duplicates."""
    config = RunConfig(data=str(path), **options)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        exact = lambda examples, **o: split_examples(examples, threshold=1.0, **o)  # noqa: E731
        patch.setattr(preparing, "split_examples", exact)
        small = prepare(config, 512)
        patch.setattr(preparing, "LARGE", -1)
        return small, prepare(config, 512, say=lambda text: None)


def assert_same(small: Prepared, large: Prepared) -> None:
    assert isinstance(large.encoded, TokenStore) and not isinstance(small.encoded, TokenStore)
    assert large.split == small.split
    assert list(map(str, large.problems)) == list(map(str, small.problems))
    assert large.data_sha256 == small.data_sha256
    for part in vars(small.split).values():
        assert list(large.pick(part)) == small.pick(part)
        assert [large.examples[i] for i in part] == [small.examples[i] for i in part]
        assert lengths_of(large.pick(part)) == lengths_of(small.pick(part))


def entry(i: int, **changes: object) -> dict[str, object]:
    return {"instruction": f"Say number {i * 7919}.", "input": "", "output": f"It is {i}.", "category": "n"} | changes


AWKWARD = [
    entry(0, output="naïve café, 你好, 🙂 \u2028 end"),
    entry(1, input="two\r\nlines", category="<script>"),
    entry(2, category="\u202e‮ odd / ../../etc"),
    entry(3, instruction="SAY number 0!"),  # the question of entry 0
    *[entry(3) for _ in range(3)],  # exact copies
    {"messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]},
    {"instruction": "Sum up.", "context": "a text", "response": "text"},
    entry(4, output="<|endoftext|> is text"),
    entry(5, output="word " * 600),  # too long for the model
    entry(6, output=""),
    entry(7, output="a\x00b"),
    entry(8, input=3),
    "no object",
    entry(9, output="5" * 40),
    *map(entry, range(10, 60)),
]


def as_list(entries: list[object]) -> bytes:
    return json.dumps(entries, ensure_ascii=False, indent=1).encode()


def as_lines(entries: list[object]) -> bytes:
    return "".join(json.dumps(e) + "\n" for e in entries).encode()


FILES = {
    "list": as_list(AWKWARD),
    "list with BOM, one line": b"\xef\xbb\xbf" + json.dumps(AWKWARD).encode(),
    "lines": as_lines(AWKWARD),
    "lines, CRLF, BOM, blank ones": b"\xef\xbb\xbf" + as_lines(AWKWARD).replace(b"\n", b"\r\n\r\n"),
    "lines, no newline at the end": as_lines(AWKWARD).rstrip(),
}


@pytest.mark.parametrize("name", FILES)
def test_an_awkward_file_is_the_same_from_the_store(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a second path to the data that reads, checks, numbers or splits an entry differently from the first."""
    monkeypatch.setattr(store_building, "BLOCK", 3)
    monkeypatch.setattr(reading, "CHUNK", 100)  # every entry crosses the edge of a window
    path = tmp_path / "data"
    path.write_bytes(FILES[name])
    assert_same(*both_ways(path, monkeypatch, skip_problems=True))
    with pytest.raises(InputError, match="5 entries cannot be used") as small:
        prepare(RunConfig(data=str(path)), 512)
    monkeypatch.setattr(preparing, "LARGE", -1)
    with pytest.raises(InputError) as large:
        prepare(RunConfig(data=str(path)), 512, say=lambda text: None)
    assert str(large.value) == str(small.value)


def test_the_embedded_data_is_the_same_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents any difference on the real data: ids, split, batches, losses."""
    small, large = both_ways(EMBEDDED, monkeypatch, max_test=50, max_validation=30)
    assert_same(small, large)
    assert len(small.split.test) == 50 and len(small.split.validation) == 30
    a, b = small.pick(small.split.train), large.pick(large.split.train)
    order = batch_order(lengths_of(a), 8, 1, 0)
    assert batch_order(lengths_of(b), 8, 1, 0) == order
    for one, other in zip(in_order(a[:99], 8), in_order(b[:99], 8), strict=True):
        assert torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)
    short = [i for i in small.split.train if len(small.encoded[i]) < 100][:24]
    histories = [train(make_tiny(), d.pick(short), d.pick(short[:8]), TrainConfig(epochs=1)) for d in (small, large)]
    assert histories[0] == histories[1]


def test_the_split_is_that_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents another split, hence other results, for runs that were begun before large files were read."""
    examples = load_examples(EMBEDDED)
    split = split_examples(examples)
    assert (len(split.train), len(split.validation), len(split.test)) == (2462, 145, 290)
    digest = hashlib.sha256(repr((split.train, split.validation, split.test)).encode()).hexdigest()
    assert digest.startswith("ef004bdfbb329627")  # of the code before
    assert prepare(RunConfig(), 512).split == split
    assert prepare(RunConfig(max_test=None, max_validation=None), 512).split == split


@pytest.mark.parametrize("name", ["list", "lines"])
@pytest.mark.parametrize("cut", [1, 40, 3000])
def test_a_broken_file_is_one_error_with_its_place(
    name: str, cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: None
) -> None:
    """Prevents a truncated download from being trained on, or a store of half a file."""
    monkeypatch.setattr(reading, "CHUNK", 64)
    path = tmp_path / "data"
    path.write_bytes(FILES[name].rstrip()[:-cut])
    with pytest.raises(InputError, match=r"broken JSON at line \d+, column \d+" if name == "list" else r"line \d+ is"):
        prepare(RunConfig(data=str(path), skip_problems=True), 512, say=lambda text: None)
    assert not [p for p in stores_folder().iterdir() if p.is_dir()]


def test_places_in_a_list_are_those_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a place counted in bytes, or from the window's edge, where the file is counted in letters and lines."""
    monkeypatch.setattr(reading, "CHUNK", 50)
    text = '[{"instruction": "é é é é é é é é é",\n "output": "你好你好"},\n\n {"instruction": "é" "x"}]'
    with pytest.raises(json.JSONDecodeError) as right:
        json.loads(text)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"line {right.value.lineno}, column {right.value.colno}: {right.value.msg}"):
        examine(tmp_path / "a.json")


def test_an_endless_entry_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a file of one endless line, or one quote never closed, from filling the memory."""
    monkeypatch.setattr(reading, "MAX_ENTRY", 1000)
    monkeypatch.setattr(reading, "CHUNK", 100)
    for text in ('{"instruction": "' + "x" * 5000, '[{"instruction": "' + "x" * 5000 + '"}]'):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(InputError, match=r"line 1 is longer|broken JSON at line 1"):
            examine(tmp_path / "a.json")


# --- the folder ---


def data_file(tmp_path: Path, count: int = 60) -> Path:
    (tmp_path / "big.jsonl").write_bytes(as_lines([entry(i) for i in range(count)]))
    return tmp_path / "big.jsonl"


def only_store(cache: Path) -> Path:
    [folder] = [p for p in cache.iterdir() if p.is_dir()]
    return folder


def test_the_second_run_tokenises_nothing(tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a cache that is never hit; and one that is hit for another template or a changed file."""
    config, said = RunConfig(data=str(data_file(tmp_path))), []
    prepare(config, 512, said.append)
    assert "first run" in said[0] and "60 examples" in said[1]
    made = []
    original = store_building.build_store
    monkeypatch.setattr(store_building, "build_store", lambda *a: (made.append(a), original(*a)))
    prepare(config, 512, said.append)
    assert len(said) == 2 and not made
    prepare(RunConfig(data=config.data, template="phi3"), 512, said.append)
    config.data_path.write_bytes(config.data_path.read_bytes().replace(b"It is 5.", b"It is 6."))
    prepare(config, 512, said.append)
    assert len(made) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "tokens.bin").write_bytes((folder / "tokens.bin").read_bytes()[:-2]),
        lambda folder: (folder / "tokens.bin").write_bytes(b"\1" + (folder / "tokens.bin").read_bytes()[1:]),
        lambda folder: (folder / "offsets.bin").unlink(),
        lambda folder: (folder / "meta.json").write_text("{"),
        lambda folder: (folder / "meta.json").write_text("[]"),
        lambda folder: (folder / "meta.json").write_text('{"files": {}}'),
        lambda folder: (folder / "meta.json").write_bytes(b"\xff"),
    ],
)
def test_a_damaged_store_is_made_anew(damage, tmp_path: Path, large: None, cache: Path) -> None:  # type: ignore[no-untyped-def]
    """Prevents training on tokens that a bad disk or a careless hand has changed."""
    config, said = RunConfig(data=str(data_file(tmp_path))), []
    before = dict(prepare(config, 512, said.append).encoded)
    damage(only_store(cache))
    assert dict(prepare(config, 512, said.append).encoded) == before
    assert sum("is damaged" in text for text in said) == 1


def test_a_strangers_folder_is_left_alone(tmp_path: Path, large: None, cache: Path) -> None:
    """Prevents deleting what is not ours because it stands where a store should be."""
    config = RunConfig(data=str(data_file(tmp_path)))
    prepare(config, 512, print)
    (only_store(cache) / "thesis.txt").write_text("mine")
    (only_store(cache) / "meta.json").unlink()
    with pytest.raises(InputError, match=r"thesis\.txt, which is none of ours"):
        prepare(config, 512, print)
    assert (only_store(cache) / "thesis.txt").read_text() == "mine"


def test_two_at_once_make_one_store(tmp_path: Path, large: None, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents the processes of one torchrun from writing over each other, or each tokenising everything."""
    config, made, ready = RunConfig(data=str(data_file(tmp_path))), [], threading.Barrier(4)
    original = store_building.build_store
    monkeypatch.setattr(store_building, "build_store", lambda *a: (made.append(a), time.sleep(0.2), original(*a)))
    results: list[Split] = []

    def one() -> None:
        ready.wait()
        results.append(prepare(config, 512, lambda text: None).split)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and len(results) == 4 and all(r == results[0] for r in results)


CHILD = """
import os, signal, sys, time
from tiny import peak_kib
from ift_lib import preparing, store_building
from ift_lib.run import prepare
from ift_lib.run_config import RunConfig
preparing.LARGE = -1
if sys.argv[2] == "hang":
    store_building.checksum = lambda path: (print("in the middle", flush=True), time.sleep(60))
if sys.argv[2] == "full":
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
if sys.argv[2] == "measure":
    before = peak_kib()
data = prepare(RunConfig(data=sys.argv[1], max_validation=10, max_test=10), 512)
if sys.argv[2] == "measure":
    batch = data.pick(data.split.train)[50]
    print("grew", peak_kib() - before)
"""


def child(data: Path, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(data), what]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def test_a_kill_in_the_middle_leaves_nothing_in_the_way(tmp_path: Path, large: None, cache: Path) -> None:
    """Prevents half a store that is taken for a whole one, a lock that outlives its owner, or rubbish that piles up."""
    config = RunConfig(data=str(data_file(tmp_path)))
    process = child(config.data_path, "hang")
    assert process.stdout is not None
    while "in the middle" not in process.stdout.readline():
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert [p.suffix for p in cache.iterdir() if p.is_dir()] == [".tmp"]
    assert len(prepare(config, 512, print).encoded) == 60
    assert only_store(cache).suffix == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    """Prevents half a store, and an error that does not say what to do."""
    process = child(data_file(tmp_path, 400), "full")
    error = process.communicate()[1]
    assert "InputError" in error and "make room" in error and "IFT_CACHE" in error, error
    assert not [p for p in cache.iterdir() if p.is_dir()]


def test_a_place_that_cannot_be_written_is_one_error(
    tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a traceback about a folder the user has never heard of."""
    data = data_file(tmp_path)
    monkeypatch.setenv("IFT_CACHE", str(data / "cache"))
    with pytest.raises(InputError, match=r"could not be kept there.*IFT_CACHE"):
        prepare(RunConfig(data=str(data)), 512, print)


def test_where_stores_live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Prevents ignoring the folder a user or a system has set for caches."""
    monkeypatch.delenv("IFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert stores_folder() == tmp_path / "ift"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert stores_folder() == Path.home() / ".cache" / "ift"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Prevents examples from becoming Python objects, all at once: 50,000 of 4 kB are 200 MB of text alone."""
    path = tmp_path / "big.jsonl"
    padding = " " * 3900  # cheap to tokenise, and read all the same
    with path.open("w") as file:
        file.writelines(json.dumps(entry(i, note=padding)) + "\n" for i in range(50_000))
    process = child(path, "measure")
    said = process.communicate()[0]
    assert process.returncode == 0
    grew = int(said.split("grew")[1]) / 1024
    assert grew < 150, f"{grew:.0f} MB"


# --- asking for examples ---


def test_an_epoch_of_a_large_set_builds_few_objects(tmp_path: Path, large: None) -> None:
    """Prevents `train` from turning all stored examples into Python integers to learn their lengths."""
    data = prepare(RunConfig(data=str(data_file(tmp_path))), 512, print)
    part = data.pick(data.split.train)
    assert isinstance(part, StoredExamples)
    part.store.encoded = None  # type: ignore[method-assign, assignment]
    assert sum(lengths_of(part)) > 0 and len(part) == len(data.split.train) and len(part[3:5]) == 2


def test_an_entry_that_is_not_there(tmp_path: Path, large: None) -> None:
    """Prevents the text of one entry under the number of another."""
    config = RunConfig(data=str(data_file(tmp_path)))
    data = prepare(config, 512, print)
    for index in (60, 10**6):
        with pytest.raises(KeyError):
            data.encoded[index]
        with pytest.raises(KeyError):
            data.examples[index]
    assert data.encoded[7] == encode_example(load_examples(config.data)[7], ALPACA)
    assert collate(data.pick([5, 3])).inputs.shape[0] == 2


# --- a whole run ---


def stop(folder: Path) -> None:
    raise InputError("stopped by the test")


def test_a_run_from_a_store_is_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    """Prevents a run on a large file that differs, says nothing of its bounds, or cannot be resumed."""
    from ift_lib import cli
    from ift_lib.export import export_pretrained

    export_pretrained(make_tiny(), tmp_path / "tiny")
    lines = [entry(i) for i in range(300)] + [entry(5)] + [entry(i, output="") for i in range(60)]
    (tmp_path / "data.jsonl").write_bytes(as_lines(lines))
    command = ["run", "--data", str(tmp_path / "data.jsonl"), "--model", str(tmp_path / "tiny"), "--epochs", "1"]
    command += ["--max-test", "7", "--max-validation", "5", "--max-new-tokens", "2", "--evals-per-epoch", "3"]
    command += ["--skip-problems"]
    exact = lambda examples, **o: split_examples(examples, threshold=1.0, **o)  # noqa: E731
    monkeypatch.setattr(preparing, "split_examples", exact)
    assert cli.main([*command, "--out", str(tmp_path / "small")]) == 0
    monkeypatch.setattr(preparing, "LARGE", -1)
    with monkeypatch.context() as patch:
        patch.setattr(run, "write_report", stop)
        assert cli.main([*command, "--out", str(tmp_path / "large")]) == 2
    assert cli.main(["run", "--resume", str(tmp_path / "large")]) == 0
    said = capsys.readouterr().out
    assert "289 train, 5 validation, 7 test" in said and "note: test is bounded to 7 examples" in said
    assert said.count("'output' is empty") < 3 * 60 and "all are in problems.json" in said
    for name in ("split.json", "problems.json", "responses.jsonl", "history.json", "before.json"):
        assert (tmp_path / "large" / name).read_bytes() == (tmp_path / "small" / name).read_bytes(), name
    config = json.loads((tmp_path / "large/config.json").read_text())
    assert config["max_test"] == 7 and len(json.loads((tmp_path / "large/problems.json").read_text())) == 61
    assert "max test" in (tmp_path / "large/report.html").read_text()


def test_older_runs_had_no_bounds() -> None:
    """Prevents resuming a run of before with another split than it was begun with."""
    from dataclasses import asdict

    saved = asdict(RunConfig())
    del saved["max_test"], saved["max_validation"]
    assert RunConfig.from_json(saved).max_test is None
    assert RunConfig.from_json(saved).shares(10**6) == {"validation": 0.05, "test": 0.10}
    assert RunConfig().shares(10**6) == {"validation": 0.001, "test": 0.001}
    with pytest.raises(InputError, match="max_test=0"):
        RunConfig(max_test=0)
