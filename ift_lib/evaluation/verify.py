"""Is this response right? A rule for each kind of task where a rule can tell, and None where none can.

A rule reads the response against the example and, where there are some, against the other answers that
the makers of the data set accept (`assets/accepted.json`: "big" has the opposites "small", "little" and
"tiny"). The rules are strict on purpose: an empty answer, the echoed question and the answer to another
question are wrong. They do not judge style, and a right answer that nobody thought of counts as wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ift_lib.data import Example

ACCEPTED = Path(__file__).resolve().parent.parent / "assets" / "accepted.json"

LABELS = {
    "sentiment": {"positive", "negative", "neutral"},
    "sentence_type": {"statement", "question", "command", "exclamation"},
    "part_of_speech": {"noun", "verb", "adjective", "adverb"},
    "desk": {"booking", "repair", "lost", "information", "thanks", "complaint"},  # the capstone's
}

LIGHT = frozenset(
    "a an the this that these those i you he she it we they me him her us them my your his its our their "
    "is are was were be been am do does did has have had can could will would shall should may might "
    "of to in on at by for from with as and or there here so some any please answer word call called "
    # what a question hides in its "did": "What did they eat?" "They ate sandwiches."
    "ate bought built came drank dropped found gave left made ordered saw stood took woke wrote".split()
)
"""Words that carry no answer: the rules for free sentences look past them."""

FRAME = frozenset("it is the a an this that they are one word answer".split())
"""Words that may stand around a one-word answer."""

COURTESY = frozenset("could can would will may please kindly you i".split())
"""Words that make a request polite; what is left is the request."""

NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()


def verify(example: Example, response: str) -> bool | None:
    """True or False where a rule decides if `response` is right, None where no rule can (a title, a summary).

    >>> from ift_lib.data import Example
    >>> hot = Example('What is the opposite of "hot"?', "", "The opposite of hot is cold.", "opposite")
    >>> verify(hot, "Cold."), verify(hot, "The opposite of hot is warm.")
    (True, False)
    """
    rule = RULES.get(example.category)
    if rule is None:
        return None
    if not words(response) or is_echo(example, response):
        return False
    return rule(example, response.strip())


# --- reading texts ---


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"\w+(?:['-]\w+)*", text.replace("’", "'").casefold())


def normalise(text: str) -> str:
    """The text in lower case, without quotation marks, extra spaces and a final mark."""
    text = text.replace("’", "'").replace('"', "").casefold()
    return " ".join(text.split()).rstrip(".!? ")


def prompt(example: Example) -> str:
    """What the model was asked, in one text."""
    return f"{example.instruction} {example.input}"


def is_echo(example: Example, response: str) -> bool:
    """True when the response only repeats the question (and that is not the answer wanted)."""
    said = normalise(response)
    asked = [normalise(text) for text in (example.instruction, example.input, prompt(example))]
    return said in asked and said != normalise(example.output)


@lru_cache(maxsize=1)
def alternatives() -> dict[str, list[str]]:
    """For each entry with more than one right answer: instruction, newline, input -> every right output."""
    found: dict[str, list[str]] = json.loads(ACCEPTED.read_text(encoding="utf-8"))
    return found


def accepted(example: Example) -> list[str]:
    """Every output that counts as right, the reference first."""
    others = alternatives().get(f"{example.instruction}\n{example.input}", [])
    return [example.output, *(others if example.output in others else [])]


def content(text: str) -> set[str]:
    """The words that carry meaning, in a rough base form: "bakes" and "bake" are one, "seven" and "7" too.

    >>> sorted(content("A baker bakes seven cakes."))
    ['7', 'bak', 'baker', 'cak']
    """
    return {base(word.removesuffix("'s")) for word in words(text) if word not in LIGHT}


def base(word: str) -> str:
    """The word without a final "s" and "e"; a number as digits."""
    return str(NUMBERS.index(word)) if word in NUMBERS else word.removesuffix("s").removesuffix("e")


# --- the rules: (example, response) -> right or wrong ---


def same_sentence(example: Example, response: str) -> bool:
    """The response is an accepted sentence; case, quotation marks and the final mark do not count."""
    return normalise(response) in map(normalise, accepted(example))


def same_question(example: Example, response: str) -> bool:
    """The accepted question, and it ends with a question mark."""
    return response.rstrip('"').endswith("?") and same_sentence(example, response)


def same_marks(example: Example, response: str) -> bool:
    """The accepted sentence letter by letter: here capitals and punctuation are the task."""
    return " ".join(response.split()) in accepted(example)


def names_answer(example: Example, response: str) -> bool:
    """The response says an accepted word, and else nothing but words of the question and of FRAME.

    Right for `The opposite of hot is cold.`: "Cold", "It is cold.", "Cold is the opposite of hot."
    """
    said = set(words(response))
    for output in accepted(example):
        answer = set(words(output.rpartition(" is ")[2])) - {"a", "an", "the"}
        asked = set(words(prompt(example))) | set(words(output)) | FRAME
        if answer <= said <= asked | answer:
            return True
    return False


def right_plural(example: Example, response: str) -> bool:
    """A noun is named, a sentence is rewritten."""
    noun = example.output.startswith("The plural of ")
    return names_answer(example, response) if noun else same_sentence(example, response)


def odd_word(example: Example, response: str) -> bool:
    """Of the four words asked about, the response names the odd one and no other."""
    listed = re.search(r"\w+(?:, \w+)+", prompt(example))
    named = set(words(response.casefold().replace("odd one out", "")))
    return listed is not None and named & set(words(listed[0])) == {words(example.output)[-1]}


def right_label(example: Example, response: str) -> bool:
    """A short response that holds one label of the set, the right one, and no "not"."""
    said = words(response)
    named = set(said) & LABELS[example.category]
    return len(said) <= 8 and "not" not in said and named == set(words(example.output))


def same_words(example: Example, response: str) -> bool:
    """The words of the reference and no others; "the" and "a" do not count."""
    brief = len(words(response)) <= len(words(example.output)) + 1
    return brief and content(response) == content(example.output)


def says_answer(example: Example, response: str) -> bool:
    """The response says what the reference adds to the question, briefly, and nothing from elsewhere.

    question   Where does the cat sleep?
    reference  The cat sleeps on his bed.     adds: bed
    right      On the bed.   The cat sleeps on his bed every night. (if the text says so)
    wrong      The cat sleeps.   On the roof.   the whole text again
    """
    added = content(example.output) - content(asked_question(example))
    if not added:
        return same_sentence(example, response)
    said = content(response)
    brief = len(words(response)) <= len(words(example.output)) + 4
    return brief and added <= said <= content(prompt(example)) | content(example.output)


def asked_question(example: Example) -> str:
    """The question itself, without the text that it is about."""
    questions = re.findall(r"[^.:?!]+\?", prompt(example))
    return questions[-1] if questions else example.instruction


def same_items(example: Example, response: str) -> bool:
    """The same items in the same order, one a line or separated by commas or "and"."""
    return list(items(response)) == list(items(example.output))


def items(text: str) -> Iterator[str]:
    """The items of a list in plain words."""
    for item in re.split(r",|;|\n|\band\b", text):
        if found := words(item):
            yield " ".join(found)


def same_layout(example: Example, response: str) -> bool:
    """The reference line by line; capitals count where the task is to write capitals."""
    capitals = example.output.isupper() and len(example.output) > 1
    return layout(response, capitals) == layout(example.output, capitals)


def layout(text: str, capitals: bool) -> list[str]:
    """The lines without quotation marks and full stops around them; in lower case unless `capitals` count."""
    return [line.strip(' ".') if capitals else line.strip(' ".').casefold() for line in text.splitlines()]


def uses_word(example: Example, response: str) -> bool:
    """One whole sentence of four different words or more, the word asked for among them."""
    quoted = re.findall(r'"([^"]+)"', example.instruction)
    wanted = set(words(example.input or " ".join(quoted)))
    said = set(words(response))
    whole = response[0].isupper() and response.rstrip('"')[-1] in ".!?" and "\n" not in response
    return whole and bool(wanted) and wanted <= said and len(said) >= 4


def polite_request(example: Example, response: str) -> bool:
    """A question with "please" that asks for the same thing."""
    said = words(response)
    asks = said[0] in COURTESY and "please" in said and response.endswith("?")
    return asks and set(said) - COURTESY == set(words(example.output)) - COURTESY


def kind_notice(example: Example, response: str) -> bool:
    """A sentence with "please" that asks for the same thing in the same words, whichever way it is polite."""
    said = [word for word in words(response) if word not in COURTESY]
    return "please" in words(response) and said == [word for word in words(example.output) if word not in COURTESY]


RULES: dict[str, Callable[[Example, str], bool]] = {
    "agreement": same_sentence,
    "desk": right_label,
    "everyday_knowledge": says_answer,
    "extract": same_words,
    "formatting": same_layout,
    "notice": kind_notice,
    "odd_one_out": odd_word,
    "opposite": names_answer,
    "ordering": same_items,
    "part_of_speech": right_label,
    "passive_voice": same_sentence,
    "past_tense": same_sentence,
    "plural": right_plural,
    "politeness": polite_request,
    "punctuation": same_marks,
    "question_form": same_question,
    "reading_answer": says_answer,
    "rhyme": names_answer,
    "sentence_type": right_label,
    "sentence_with_word": uses_word,
    "sentiment": right_label,
    "spelling": same_sentence,
    "synonym": names_answer,
    "word_category": names_answer,
}
"""Category -> its rule."""

VERIFIABLE = frozenset(RULES)
"""The categories that a rule can check."""
