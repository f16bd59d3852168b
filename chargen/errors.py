"""Every error a user can cause, each with a problem and a next step.

A library function raises one of these; the command line prints it as one line and exits with its
``exit_code``. Anything else that escapes is a defect of chargen.

An error speaks of arguments (see `argument`). A program reads "`hidden` is 0"; the command line,
which knows its own flags, prints "--hidden is 0".
"""

from __future__ import annotations

import re
from collections.abc import Callable

# Noncharacters, which no text that a user types can hold (Unicode Standard, section 23.7).
BEGIN, END = "\ufdd0", "\ufdd1"
ARGUMENT = re.compile(f"{BEGIN}(.*?){END}")


def argument(name: str) -> str:
    """Return an argument's Python name, marked, so that the command line can write its flag."""
    return f"{BEGIN}{name}{END}"


def quoted(name: str) -> str:
    """Return an argument's name as a program reads it."""
    return f"`{name}`"


def spelled(text: str, spell: Callable[[str], str] = quoted) -> str:
    """Return a text with each marked argument as ``spell`` writes it.

    Example:
        >>> spelled(f"Give a lower {argument('valid_fraction')}", lambda name: f"--{name}")
        'Give a lower --valid_fraction'
    """
    return ARGUMENT.sub(lambda found: spell(found[1]), text)


class ChargenError(Exception):
    """A problem with a remedy.

    Args:
        problem: what is wrong, naming the file, argument or character.
        hint: the next step to take.

    Attributes:
        marked: both, with marked arguments.
        message: both as one text, with marked arguments.
    """

    exit_code = 1

    def __init__(self, problem: str, hint: str) -> None:
        self.problem, self.hint = spelled(problem), spelled(hint)
        self.marked = (problem, hint)
        self.message = f"{problem}. {hint}."
        super().__init__(spelled(self.message))

    def __reduce__(self) -> tuple[type[ChargenError], tuple[str, str]]:
        """Return how it is made again, in another process."""
        return type(self), self.marked


class UsageError(ChargenError):
    """An option has a value that can never work; the command was not started."""

    exit_code = 2


class CorpusError(ChargenError):
    """A text is missing, unreadable, empty, wrongly encoded, or changed while it was read."""


class CatalogError(ChargenError):
    """A named corpus is unknown, not here yet, or could not be downloaded and verified."""


class PrimeError(ChargenError):
    """A prime text has characters that the model has never seen."""


class CheckpointError(ChargenError):
    """A model file is missing, damaged, of another version, or not chargen's."""


class KindError(ChargenError):
    """A model is of a kind that cannot do what it is asked for; the command that can is named."""


class RunError(ChargenError):
    """A training run is unknown, cannot be resumed as asked, or cannot be written."""


class TrainingError(ChargenError):
    """Training cannot go on, for example because the loss stays non-finite."""
