"""A damaged text mended: accents, capitals, punctuation, blanks put back where they were lost.

A text of any length is read in windows that overlap, so that each character is seen with what
stands around it. Only marks that fit are used (see `chargen.text.damage.Damage.fits`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.engine.likelihood import log_softmax
from chargen.engine.tagger import Marker as Engine
from chargen.errors import KindError, argument
from chargen.metrics import WORDS, Metric
from chargen.ranks import ALONE, Ranks
from chargen.text.damage import KEEP, Damage, mended, parts
from chargen.text.mark_windows import Marker, overlapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

WINDOW, MARGIN = 512, 64
"""Characters that are mended in one window, and that are read beside them on each side."""

BATCH = 16
"""Windows that are read side by side."""


@dataclass(frozen=True)
class Mended:
    """A text that was mended.

    Attributes:
        text: as it is now.
        characters: of the damaged text.
        changed: those at which something was mended.
    """

    text: str
    characters: int
    changed: int


class Mender:
    """A model that mends texts, ready to use.

    Raises:
        KindError: the model mends none.
    """

    def __init__(self, name: str, saved: Checkpoint) -> None:
        marking = saved.vocabulary.marking
        if marking is None or not marking.undo:
            raise KindError(
                f"{name} was not trained to mend texts",
                f"Use `chargen {saved.architecture.kind.command}` with it alone, or a model "
                f"trained with {argument('undo')}",
            )
        self.engine = Engine(saved.architecture, saved.weights)
        self.coder = Marker(saved.vocabulary)
        self.damage = Damage(marking.undo)
        self.marks = marking.marks
        self._fitting: dict[str, NDArray[np.bool_]] = {}

    def mend(self, text: str) -> Mended:
        """Return a text mended."""
        marks = [mark for mark, _ in self._marked(text)]
        pairs = zip(text, marks, strict=True)
        changed = sum(parts(one, mark) != (one, "") for one, mark in pairs)
        return Mended(mended(text, marks), len(text), changed)

    def _marked(
        self, text: str, right: Sequence[str] = (), ranks: Ranks = ALONE
    ) -> Iterator[tuple[str, float]]:
        """Yield the mark of each character in this rank's part, and the nats of the right one.

        These are infinite for a mark that the model does not know, and 0 if none is given.
        """
        shown = "".join(map(self.damage.shown, text))
        windows = list(overlapping(len(text), WINDOW, MARGIN))
        windows = windows[ranks.share(len(windows))]
        for group in range(0, len(windows), BATCH):
            some = windows[group : group + BATCH]
            read = [self.coder.source(shown[one.first : one.last]) for one in some]
            for one, scores in zip(some, self.engine.scores(read), strict=True):
                logs = log_softmax(scores[one.start - one.first : one.stop - one.first])
                fits = np.stack([self._fit(each) for each in text[one.start : one.stop]])
                best = np.where(fits, logs, -np.inf).argmax(axis=1).tolist()
                for place, index in enumerate(best):
                    nats = 0.0
                    if right:
                        known = self.coder.ids.get(right[one.start + place])
                        nats = math.inf if known is None else -float(logs[place, known])
                    yield self.marks[index], nats

    def _fit(self, character: str) -> NDArray[np.bool_]:
        """Return which marks may be used on a character."""
        if character not in self._fitting:
            fits = [self.damage.fits(character, mark) for mark in self.marks]
            self._fitting[character] = np.array(fits)
        return self._fitting[character]

    def score(self, right: str, seed: int = 0, ranks: Ranks = ALONE) -> MendScore:
        """Damage a text, mend it, and compare word by word.

        Args:
            right: a text; of one without words, all figures are 0.
            seed: of noise.
            ranks: that divide the text among them.
        """
        damaged, marks = self.damage.done(right, seed)
        found = ranks.together(list(self._marked(damaged, marks, ranks)))
        words = [[0, 0, 0]]
        right_ones = made = wanted = 0
        for character, mark, (mine, _) in zip(damaged, marks, found, strict=True):
            words[-1][0] += not character.isspace()
            words[-1][1] += mark != mine
            words[-1][2] += mark != KEEP
            right_ones += mark == mine != KEEP
            made += mine != KEEP
            wanted += mark != KEEP
            # Blanks belong to the word before them, and those at the beginning to the first word.
            if words[-1][0] and (character.isspace() or " " in mark):
                words.append([0, 0, 0])
        whole = [word for word in words if word[0]]
        return MendScore(
            len(whole),
            sum(word[1] == 0 for word in whole),
            sum(word[2] == 0 for word in whole),
            sum(word[1] == 0 and word[2] == 0 for word in whole),
            right_ones,
            made,
            wanted,
            sum(math.isfinite(nats) for _, nats in found),
            sum(nats for _, nats in found if math.isfinite(nats)),
        )


@dataclass(frozen=True)
class MendScore:
    """How well a damaged text was mended.

    Attributes:
        words: of the text; a word is what stands between blanks.
        right: mended so that nothing is wrong.
        sound: that the damage had left as they were.
        kept: of these, mended so that nothing is wrong.
        mended, found, there: changes that are the right ones; made; to be made.
        characters: of the damaged text, but for those whose right marks the model does not know.
        nats: what the right marks of these cost, summed.
    """

    metric: ClassVar[Metric] = WORDS

    words: int
    right: int
    sound: int
    kept: int
    mended: int
    found: int
    there: int
    characters: int
    nats: float

    @property
    def exact(self) -> float:
        """Share of the words that are right."""
        return self.right / max(1, self.words)

    @property
    def loss(self) -> float:
        """The figure that training makes as low as it can."""
        return self.nats / max(1, self.characters)

    @property
    def rank(self) -> float:
        """What the best model has least of: wrong words; among equals, nats."""
        return 1 - self.exact + self.loss / (1 + self.loss) / max(1, self.words)

    def json(self) -> dict[str, Any]:
        """Return the figures under their usual keys."""
        words = max(1, self.words)
        return {
            "words": self.words,
            "words_right": self.exact,
            "words_right_error": math.sqrt(self.exact * (1 - self.exact) / words),
            "before": self.sound / words,
            "untouched": self.kept / max(1, self.sound),
            "precision": self.mended / max(1, self.found),
            "recall": self.mended / max(1, self.there),
            "f1": 2 * self.mended / max(1, self.found + self.there),
            "nats_per_char": self.loss,
        }
