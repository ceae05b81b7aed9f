"""The report holds everything of the run, and nothing that anyone's text could make of it."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from run_folders import EVIL, make_answer, make_history, make_run

from ift_lib.course import report
from ift_lib.course.report import write_report
from ift_lib.course.run_folder import load_run
from ift_lib.course.show import LONGEST, attribute, block, inline, visible
from ift_lib.errors import InputError


class Page(HTMLParser):
    """A report parsed back: how often each tag occurs, all attributes, the text. Badly nested tags fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.html = path.read_text(encoding="utf-8")
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(self.html)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else, at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A report in which every text is an attack."""
    keys = ("instruction", "input", "output", "category", "before", "response")
    answers = [make_answer(**dict.fromkeys(keys, evil), index=i, token_f1=0.0) for i, evil in enumerate(EVIL)]
    folder = make_run(
        tmp_path_factory.mktemp("hostile"),
        answers,
        config={"data": EVIL[1], "model": EVIL[0], EVIL[2]: EVIL[0], "list": EVIL},
        machine={"device": EVIL[0], EVIL[1]: EVIL[3], "seconds": {EVIL[0]: 1}, "peak_memory_gb": EVIL[0]},
        problems=EVIL,
    )
    return Page(write_report(folder))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """An everyday report: 30 plurals (24 right), 4 stories that no rule can check."""
    plurals = [
        make_answer(
            verified=i < 24,
            verified_before=i < 3,
            response="leaves" if i < 24 else "leafs",
            token_f1=float(i < 24),
        )
        for i in range(30)
    ]
    stories = [make_answer(category="story", verified=None, exact_match=0, token_f1=0.25, ended=False)] * 4
    return Page(write_report(make_run(tmp_path_factory.mktemp("plain"), plurals + stories)))


# --- text ---


def test_texts_become_no_markup(hostile: Page, plain: Page) -> None:
    """Prevents a response from running a script, loading a picture or closing the page's own tags."""
    for tag in ("script", "style", "form"):
        assert hostile.tags[tag] == plain.tags[tag] == 1
    for tag in ("img", "iframe", "object", "embed", "base", "b-b"):
        assert hostile.tags[tag] == 0
    assert hostile.tags["b"] == plain.tags["b"]
    assert not [name for name in (a for _, a, _ in hostile.attributes) if name.startswith("on")]
    assert hostile.open == plain.open == []
    assert "<script>alert(1)</script>" in hostile.text


def test_nothing_is_loaded_from_anywhere(hostile: Page) -> None:
    """Prevents a report that tells a server who reads it, or that is broken offline."""
    links = [v for name in ("src", "href", "xlink:href", "action", "data", "poster") for v in hostile.values(name)]
    assert links and all(link.startswith(("#", "data:,")) for link in links)
    style = re.search("(?s)<style>(.*?)</style>", hostile.html)
    assert style and "url(" not in style[1] and "@import" not in style[1]
    assert not [v for v in hostile.values("style") if re.search(r"url\((?!#)", v)]
    assert "default-src 'none'" in " ".join(hostile.values("content"))


def test_hidden_characters_are_spelled_out(hostile: Page) -> None:
    """Prevents colours in a terminal, text that reads backwards, and a page that is not UTF-8."""
    assert "⟨U+001B⟩[31mred" in hostile.text and "⟨U+0000 ×4⟩" in hostile.text
    assert "⟨U+202E⟩turned" in hostile.text and "half ⟨U+D800⟩ a pair" in hostile.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff]", hostile.html)


def test_the_templates_own_signs_are_ordinary_text(hostile: Page) -> None:
    """Prevents `$title` in a response from being filled in, or from ending the report with a KeyError."""
    assert "$title ${css} %s {0}" in hostile.text


def test_direction_stays_within_a_text(hostile: Page) -> None:
    """Prevents a Hebrew answer from turning the labels around it."""
    boxes = [i for i, a in enumerate(hostile.attributes) if a == ("div", "class", "text")]
    assert len(boxes) > 50
    assert all(hostile.attributes[i + 1] == ("div", "dir", "auto") for i in boxes)
    assert "unicode-bidi: isolate" in hostile.html


def test_long_texts_are_cut_and_said_to_be(hostile: Page) -> None:
    """Prevents a page of many megabytes, and a text that ends without saying that it does."""
    assert "99,400 characters more" in hostile.text
    assert f"… and {100_000 - LONGEST:,} more, in responses.jsonl" in hostile.text
    assert len(hostile.html) < 500_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc\r\nd", "a\tb\nc\nd"),
        ("\r", "⟨U+000D⟩"),
        ("می\u200cخواهم 👩\u200d👧", "می\u200cخواهم 👩\u200d👧"),
        ("e\u0301 ü 日本 🎉", "e\u0301 ü 日本 🎉"),
        ("\u2028\ufeff", "⟨U+2028⟩⟨U+FEFF⟩"),
        ("\U000e0041" * 9, "⟨U+E0041 ×9⟩"),
    ],
)
def test_only_what_hides_is_spelled_out(text: str, shown: str) -> None:
    """Prevents damage to honest text: joiners in Persian and emoji, accents, tabs, line ends."""
    assert visible(text) == shown


def test_empty_and_quoted_texts() -> None:
    """Prevents an empty answer from looking like a broken page, and a quote from ending an attribute."""
    assert "(nothing)" in block("") and "(white space, 3 long)" in block(" \n ")
    assert attribute("\"'<&") == "&quot;&#x27;&lt;&amp;"
    assert inline("a<b") == "<bdi>a&lt;b</bdi>"


# --- content ---


def test_the_first_sentence_says_how_it_went(plain: Page) -> None:
    """Prevents a report that must be studied before one knows whether the run worked."""
    assert (
        "The model learned: validation loss fell from 3.00 to 1.50 at epoch 2, then rose again while "
        "training loss kept falling. 24 of 30 verifiable test answers are right (80%, 95% interval 63% to 90%); "
        "before fine-tuning, 10%."
    ) in plain.text


def test_every_section_is_there_and_linked(plain: Page) -> None:
    """Prevents a section from being lost, and a link that leads nowhere."""
    for title in (
        "How it learned",
        "How good its answers are",
        "What it answers",
        "The data",
        "How it was made",
    ):
        assert title in plain.text
    ids = plain.values("id")
    assert len(ids) == len(set(ids)), "an id given twice: a picture would use the other's clip path"
    links = plain.values("href") + plain.values("xlink:href")
    targets = {link[1:] for link in links if link.startswith("#")}
    targets |= set(re.findall(r"url\(#([^)]+)\)", plain.html)) | set(plain.values("aria-labelledby"))
    assert targets <= set(ids)


def test_the_score_table(plain: Page) -> None:
    """Prevents answers without a rule from counting as wrong, and a mean of the categories' means."""
    assert "plural 30 100% 0.67 0.80 1.00 80% (24/30) 63% to 90%" in plain.text
    assert "story 4† 0% 0.67 0.25 1.00 – –" in plain.text
    assert "All 34 88% 0.67 0.74 1.00 80% (24/30) 63% to 90%" in plain.text
    assert "† Fewer than 20 answers" in plain.text and "30 of 34 answers ended by themselves" in plain.text


def test_settings_machine_and_versions(plain: Page) -> None:
    """Prevents a report that nobody could repeat."""
    for text in (
        "lr 0.0005",
        "seed 123",
        "mask prompt yes",
        "out not set",
        "torch 2.13.0",
        "python 3.11.7",
        "peak memory 1.13 GB",
    ):
        assert text in plain.text
    assert "parameters 19,100,000" in plain.text and "time: train 3 min 7 s" in plain.text
    assert plain.html.count("<title>pocket, fine-tuned on leaves.json</title>") == 1


def test_it_can_be_read_by_everyone(plain: Page) -> None:
    """Prevents pictures without words, tables without headers and a page without language."""
    assert ("html", "lang", "en") in plain.attributes
    assert plain.tags["svg"] == plain.values("role").count("img") == 4
    labels = [value for tag, name, value in plain.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(labels) == 4 and all(len(label) > 40 for label in labels)
    assert plain.tags["th"] == plain.values("scope").count("col") + plain.values("scope").count("row")
    assert plain.tags["table"] == plain.tags["caption"] > 0
    assert plain.tags["label"] == plain.tags["select"] + plain.tags["input"]


def test_contrast_in_light_and_dark() -> None:
    """Prevents grey on grey: WCAG's 4.5 for text, 3 for the lines of a picture."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    css = (Path(report.__file__).parent / "report.css").read_text(encoding="utf-8")
    roots = re.findall(r"(?s):root \{(.*?)\}", css)
    themes = [dict(re.findall(r"--([\w-]+): (#\w{6});", root)) for root in roots]
    assert len(themes) == 2
    for theme in themes:
        pairs = [(text, ground, 4.5) for text in ("ink", "quiet", "link") for ground in ("paper", "card", "tint")]
        pairs += [(v, f"{v}-tint", 4.5) for v in ("right", "wrong")] + [(c, "card", 3) for c in ("blue", "vermillion")]
        for text, ground, least in pairs:
            dark, light = sorted((luminance(theme[text]), luminance(theme[ground])))
            assert (light + 0.05) / (dark + 0.05) >= least, (text, ground)


# --- runs at the edge ---


def test_one_example_without_category_rule_or_before(tmp_path: Path) -> None:
    """Prevents a division by zero, or a table of nothing, for a user's own small data."""
    answer = make_answer(category="", verified=None, before=None, exact_match=0, token_f1=0.5)
    page = Page(write_report(make_run(tmp_path, [answer], make_history((3.0,)))))
    assert "Validation loss was measured only once (3.00)" in page.text
    assert "No rule can check these answers. Answers and references share words with a token F1 of 0.50." in page.text
    assert "no category 1†" in page.text and "Before fine-tuning" not in page.text
    assert "○ not checked" in page.text and "No problem was found" in page.text


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        ((3.0, 2.0), "The model learned: validation loss fell from 3.00 to 2.00 at epoch 1."),
        ((3.0, 3.5), "The model did not learn: validation loss never fell below its start, 3.00."),
        ((float("nan"), float("nan")), "The run failed: validation loss is not a number."),
    ],
)
def test_runs_that_went_otherwise(tmp_path: Path, losses: tuple[float, ...], sentence: str) -> None:
    """Prevents the word "learned" above a run that did not."""
    page = Page(write_report(make_run(tmp_path, [make_answer(before=None)], make_history(losses))))
    assert sentence in page.text
    assert "1 of 1 verifiable test answer is right" in page.text


def test_many_categories_and_problems_stay_readable(tmp_path: Path) -> None:
    """Prevents a picture two metres high for data with a category for every example."""
    answers = [make_answer(category=f"kind {i}") for i in range(60)]
    problems = [f"entry {i}: 'output' is empty" for i in range(1000)]
    page = Page(
        write_report(make_run(tmp_path, answers, problems=problems, split={"train": [], "validation": [], "test": []}))
    )
    assert "The 40 largest of 60 categories" in page.text and "kind 59 1†" in page.text
    assert "… and 800 more, in problems.json" in page.text
    assert "Of these test examples, 60 were answered." in page.text


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    """Prevents two reports of one run from differing, and a rerun from leaving the old one."""
    run = make_run(tmp_path, [make_answer()])
    first = write_report(run).read_bytes()
    assert write_report(str(run)).read_bytes() == first
    assert sorted(p.name for p in run.iterdir() if p.suffix in (".html", ".tmp")) == ["report.html"]


# --- broken folders ---


def test_every_missing_file_is_named_at_once(tmp_path: Path) -> None:
    """Prevents mending a folder file by file, and a traceback for a wrong folder."""
    with pytest.raises(InputError) as error:
        write_report(tmp_path / "nowhere")
    for name in (
        "config.json",
        "split.json",
        "history.json",
        "responses.jsonl",
        "machine.json",
        "problems.json",
    ):
        assert f"{name} is missing" in str(error.value)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", "[1]", "config.json is broken: it should hold an object"),
        ("config.json", "{", "config.json is broken: Expecting"),
        ("config.json", "\ud800", "config.json is broken: 'utf-8' codec"),
        ("split.json", '{"train": []}', "split.json is broken: it should hold three lists"),
        ("history.json", "[]", "history.json is broken: it should hold lists of points"),
        ("history.json", '{"train": [{"step": 1}]}', "history.json is broken:"),
        ("history.json", '{"train": [], "validation": []}', "it holds no validation loss"),
        (
            "machine.json",
            '{"seconds": {"train": "long"}}',
            "machine.json is broken: it should hold an object",
        ),
        ("problems.json", "[1]", "problems.json is broken: it should hold a list of texts"),
        ("responses.jsonl", "\n", "responses.jsonl is broken: it holds no response"),
        ("responses.jsonl", '{"index": 1', "responses.jsonl is broken: line 1 is no JSON"),
        ("responses.jsonl", "[]", "responses.jsonl is broken: line 1 is no object"),
        ("responses.jsonl", '{"index": 1}', "responses.jsonl is broken: line 1 has no 'instruction'"),
        (
            "responses.jsonl",
            json.dumps(make_answer()) + "\n\n" + json.dumps(make_answer(token_f1="1")),
            "responses.jsonl is broken: line 3: 'token_f1' is a str, not float",
        ),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: str, says: str) -> None:
    """Prevents a KeyError without the file's name, and a report of half a run."""
    run = make_run(tmp_path, [make_answer()])
    (run / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=re.escape(says)):
        write_report(run)
    assert not (run / "report.html").exists()


def test_a_folder_read_back(tmp_path: Path) -> None:
    """Prevents fields that the report does not know from breaking it, and verdicts from being mixed up."""
    answers = [
        make_answer(),
        make_answer(verified=False),
        make_answer(verified=None),
        make_answer(verified=None, exact_match=0),
    ]
    run = load_run(make_run(tmp_path, answers))
    assert [a.verdict for a in run.answers] == ["right", "wrong", "right", "unchecked"]
    shutil.rmtree(tmp_path)
