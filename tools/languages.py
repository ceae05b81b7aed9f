"""The languages of the course, and the fixed words that a notebook has in each.

English is the original, in `chapters/` and `book/`. Another language has its texts in a folder of its own in both, such
as `chapters/pt-br/` and `book/pt-br/`; tools/translations.py compares them with the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Language:
    """A language, and the words that the builder writes and the tests look for."""

    code: str
    """As HTML and Sphinx write it, such as pt-BR."""
    folder: str
    """Its folder in `chapters/`, `book/` and the website; "" for English."""
    name: str
    """Its own name, as its readers know it."""
    header: str
    """The first row of the table that a notebook opens with."""
    decimal_point: str
    sections: tuple[str, ...]
    """The headings that a notebook ends with."""
    exercise: str
    levels: tuple[str, ...]
    """Easy, medium, hard."""
    open_in_colab: str
    launch_on_binder: str
    with_solutions: str
    setup: str
    """The comment that the setup cell begins with."""


ENGLISH = Language(
    code="en",
    folder="",
    name="English",
    header="| for you | for the machine | memory | network |",
    decimal_point=".",
    sections=("## Exercises", "## Quiz", "## Recap", "## Where next"),
    exercise="Exercise",
    levels=("easy", "medium", "hard"),
    open_in_colab="Open in Colab",
    launch_on_binder="Launch on Binder",
    with_solutions="With the solutions. The notebook to work in is",
    setup="Setup. On Google Colab this installs the course beside the torch that is there; elsewhere it only looks.",
)
PORTUGUESE = Language(
    code="pt-BR",
    folder="pt-br",
    name="Português",
    header="| para você | para a máquina | memória | rede |",
    decimal_point=",",
    sections=("## Exercícios", "## Quiz", "## Resumo", "## Para onde ir agora"),
    exercise="Exercício",
    levels=("fácil", "médio", "difícil"),
    open_in_colab="Abrir no Colab",
    launch_on_binder="Abrir no Binder",
    with_solutions="Com as soluções. O notebook em que se trabalha é",
    setup="Preparação. No Google Colab instala o curso ao lado do torch que já está lá; fora dele, só confere.",
)
LANGUAGES = (ENGLISH, PORTUGUESE)
TRANSLATIONS = tuple(language for language in LANGUAGES if language.folder)


def language_of(source: Path) -> Language:
    """The language of a file of `chapters/` or `book/`: that of its folder, or of the one above `solutions/`."""
    parents = {parent.name for parent in list(source.parents)[:2]}
    return next((language for language in TRANSLATIONS if language.folder in parents), ENGLISH)
