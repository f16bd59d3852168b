"""From what was asked for to a trainer ready to run: texts opened, split, checked against a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen import checkpoint, runs
from chargen.checkpoint import Checkpoint
from chargen.errors import CorpusError, RunError, UsageError
from chargen.options import DEFAULT_OUT, Settings, choose
from chargen.text import catalog
from chargen.text.corpus import Span, Text, open_text
from chargen.text.labelled import Labelled, read_labelled
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.training.loop import Trainer

    Floats = NDArray[np.float32]

BUDGETS = ("minutes", "epochs", "steps")
FREE = (*BUDGETS, "patience", "device")
"""Settings that a resumed run may change: they say how long and where, not what."""


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Request:
    """What `launch` is asked for.

    Attributes:
        sources: paths, ``-``, or names from the catalog; none for the default corpus.
        given: settings chosen by hand, by name; see `chargen.options.Settings`.
        out: the folder of runs.
        name: the run's.
        valid: a text of its own to hold out, instead of the corpus's end.
        labels: labelled texts, instead of sources; see `chargen.text.labelled`.
        resume: go on with the run ``name``, or with the newest.
        base: a model to start from.
        encoding, as_bytes: see `chargen.text.corpus.open_text`.
    """

    sources: Sequence[str] = ()
    given: dict[str, Any] | None = None
    out: Path = Path(DEFAULT_OUT)
    name: str | None = None
    valid: str | None = None
    labels: str | None = None
    resume: bool = False
    base: str | None = None
    encoding: str = "utf-8"
    as_bytes: bool = False


def launch(
    request: Request,
    *,
    note: Callable[[str], None] = _silent,
    progress: Callable[[int, int], None] | None = None,
) -> Trainer:
    """Return a trainer for a new run, a resumed one, or one that starts from another model.

    Args:
        note: called with each line that the user should read.
        progress: called with bytes of the corpus surveyed and bytes in all.

    Raises:
        ChargenError: see `chargen.errors`; nothing has been written if the texts are at fault.
    """
    given = {name: value for name, value in (request.given or {}).items() if value is not None}
    if request.resume and request.base:
        raise UsageError("--resume and --from exclude each other", "Give one of them")
    if request.labels is not None and (request.sources or request.valid):
        other = "--valid" if request.valid else "a corpus"
        raise UsageError(f"--labels and {other} exclude each other", "Give one of them")
    with ExitStack() as undo:
        run = claim = saved = None
        if request.resume:
            run = runs.existing(request.out, request.name)
            # Held before it is read, lest another process go on with it in between.
            claim = run.claim()
            undo.callback(claim.release)
            saved = checkpoint.read(run.last, resume=True)
            settings = _resumed_settings(saved, given, run.name)
        elif request.base:
            saved = checkpoint.read(runs.find(request.base, request.out))
            settings = _inherited_settings(saved, given)
        else:
            settings = Settings(**given)
        as_bytes = saved.vocabulary.as_bytes if saved else request.as_bytes
        if request.as_bytes and not as_bytes:
            raise RunError("--bytes does not fit a model of characters", "Leave the option out")

        text, apart, labelled = _texts(request, settings, as_bytes, note, progress)
        names = labelled.names if labelled else ()
        train, valid = split(text, settings.valid_fraction, settings.valid_chars, apart, names)
        _look_over(text, valid, note)
        corpus = _describe(text, apart)
        if labelled is not None:
            corpus["labels"] = labelled.sha256
        if saved is not None:
            _same_labels(saved, names)
        vocabulary = Vocabulary.of(text, saved.vocabulary.characters if saved else "")
        asked = settings
        if run is not None and saved is not None:
            _same_corpus(saved, corpus, run.name)
            if len(vocabulary) > len(saved.vocabulary):
                raise RunError(f"the run {run.name} lacks characters of its own text", "Train anew")
            vocabulary = saved.vocabulary
        else:
            settings = choose(asked, len(train))
            # Sizes that contradict one another are found here, before a folder is made.
            settings.architecture(len(names))
            run, claim = runs.create(request.out, request.name, text.names[0])
            undo.callback(claim.release)
            undo.callback(run.abandon)
        # PyTorch takes seconds to import: not before all that can be wrong has been looked at.
        from chargen.training.loop import Trainer, pace

        open_choices = None in (asked.hidden, asked.dropout) and not request.resume
        if open_choices and settings.minutes is not None:
            note("trying how fast this machine trains, to choose what was left open")
            settings = choose(asked, len(train), pace(train, vocabulary, settings, names))
        trainer = Trainer(train, valid, vocabulary, settings, corpus, run, names, claim)
        if request.resume and saved is not None:
            trainer.restore(saved)
            if trainer.finished():
                raise RunError(
                    f"the run {run.name} has spent its budget ({settings.budget()})",
                    "Give a larger one, or start a new run from it by --from",
                )
            run.rewind(trainer.counters.step)
        elif saved is not None:
            trainer.network.assign(_extended(saved, vocabulary, trainer.network.arrays()))
        undo.pop_all()
    return trainer


def _look_over(text: Text, valid: Span | None, note: Callable[[str], None]) -> None:
    """Refuse a text that nothing can be learned from, and note what is strange about it."""
    if text.characters < 2:
        raise CorpusError(f"{text.names[0]} has one character", "Give at least two")
    if len(text.counts) == 1:
        note("the corpus is one character over and over: there is nothing to learn but that")
    if valid is None:
        note("no text is held out, so the best model is simply the latest")


def _texts(
    request: Request,
    settings: Settings,
    as_bytes: bool,
    note: Callable[[str], None],
    progress: Callable[[int, int], None] | None,
) -> tuple[Text, Text | None, Labelled | None]:
    """Return the text to train on, what is held out apart from it, and both as labelled texts."""

    def skipped(name: str) -> None:
        note(f"skipped {name}: not text")

    if request.labels is not None:
        labelled = read_labelled(
            request.labels,
            settings.valid_fraction,
            encoding=request.encoding,
            as_bytes=as_bytes,
            progress=progress,
            skipped=skipped,
        )
        return labelled.train, labelled.valid, labelled

    def opened(sources: Sequence[str]) -> Text:
        return open_text(
            [catalog.resolve(source) for source in sources],
            encoding=request.encoding,
            as_bytes=as_bytes,
            progress=progress,
            skipped=skipped,
        )

    text = opened(request.sources or [catalog.DEFAULT])
    return text, opened([request.valid]) if request.valid else None, None


def split(
    text: Text, fraction: float, most: int, apart: Text | None, labels: Sequence[str] = ()
) -> tuple[Span, Span | None]:
    """Return what is trained on and what is held out.

    Args:
        fraction: of the corpus, at its end, to hold out when no text ``apart`` is given.
        most: characters of the held-out text that are scored, from its beginning.
        labels: of a labelled text, whose held-out examples are always apart.
    """
    if apart is not None:
        return text.span(), apart.span(0, min(most, apart.characters))
    train = int(text.characters * (1 - fraction))
    if labels or not 0 < train < text.characters:
        return text.span(), None
    return text.span(0, train), text.span(train, min(train + most, text.characters))


def _describe(text: Text, apart: Text | None) -> dict[str, Any]:
    about: dict[str, Any] = {
        "names": text.names[:20],
        "files": len(text.names),
        "characters": text.characters,
        "bytes": text.size,
        "sha256": text.sha256,
    }
    if apart is not None:
        about["valid"] = _describe(apart, None)
    return about


def _resumed_settings(saved: Checkpoint, given: dict[str, Any], name: str) -> Settings:
    known = {field.name for field in fields(Settings)}
    stored = {key: value for key, value in saved.settings.items() if key in known}
    try:
        settings = checkpoint.typed(Settings, stored)
        if settings.architecture(len(saved.labels)) != saved.architecture:
            raise ValueError("settings of another network")
        if saved.tensors["state.0.0"].shape[0] != settings.batch:
            raise ValueError("states of another batch")
        budgets = [getattr(settings, name) for name in BUDGETS]
        if None in (settings.dropout, settings.bptt, settings.lr) or not any(budgets):
            raise ValueError("choices not made")
    except (UsageError, TypeError, ValueError, KeyError, IndexError, AssertionError) as error:
        raise RunError(f"the run {name} has settings that make no sense", "Train anew") from error
    for option, value in given.items():
        if option not in FREE and value not in (getattr(settings, option), "auto"):
            raise RunError(
                f"the run {name} has --{option.replace('_', '-')} {getattr(settings, option)}, "
                f"not {value}",
                "Leave the option out, or start a new run from it by --from",
            )
    changes: dict[str, Any] = {key: value for key, value in given.items() if key in FREE}
    if any(key in BUDGETS for key in changes):
        changes = dict.fromkeys(BUDGETS) | changes
    return replace(settings, **changes)


def _same_labels(saved: Checkpoint, names: tuple[str, ...]) -> None:
    if saved.labels != names:
        known = ", ".join(saved.labels[:8]) or "none"
        raise RunError(
            f"the model to go on from has other labels than this text: {known}",
            "Give the same --labels as for it, or none if it has none",
        )


def _same_corpus(saved: Checkpoint, corpus: dict[str, Any], name: str) -> None:
    names = ", ".join(saved.corpus_names) or "another text"
    before, now = _print_of(saved.corpus), _print_of(corpus)
    if before != now:
        raise RunError(
            f"the run {name} was trained on {names} (sha256 {before}…), and this text is another "
            f"({now}…)",
            "Give the same corpus again, or start a new run from it by --from",
        )
    if saved.corpus.get("labels") != corpus.get("labels"):
        raise RunError(
            f"the run {name} was trained on the same text with other labels",
            "Give the same --labels again, or start a new run",
        )
    before, now = _print_of(saved.corpus.get("valid")), _print_of(corpus.get("valid"))
    if before != now:
        raise RunError(
            f"the run {name} held out another text than this (sha256 {before}, not {now})",
            "Give the same --valid again, or none if there was none",
        )


def _print_of(about: object) -> str:
    """Return the beginning of a text's sha256; "none" where there was no text."""
    return str(about.get("sha256"))[:12] if isinstance(about, dict) else "none"


def _inherited_settings(saved: Checkpoint, given: dict[str, Any]) -> Settings:
    sizes = asdict(saved.architecture)
    del sizes["labels"]
    if saved.architecture.arch != "transformer":
        del sizes["heads"], sizes["context"]
    for option, value in sizes.items():
        if option in given and given[option] != value:
            raise RunError(
                f"the model to start from has --{option} {value}, not {given[option]}",
                "Leave the option out",
            )
    return Settings(**given | sizes)


def _extended(
    saved: Checkpoint, vocabulary: Vocabulary, fresh: dict[str, Floats]
) -> dict[str, Floats]:
    """Return a model's weights with rows for the characters that only the new text has.

    A new character begins as the fresh network would have it, but no likelier than the rarest of
    the old: the model's first predictions stay what they were.
    """
    old, new = len(saved.vocabulary), slice(len(saved.vocabulary), len(vocabulary))
    extended = {}
    for name, had in saved.weights.items():
        grown = fresh[name]
        if grown.shape == had.shape:
            grown = had
        else:
            grown[:old] = had[:old]
            if len(had) > old:
                # No character's: the input "no character", or the output that ends a gap.
                grown[-1] = had[-1]
            if name.endswith("bias"):
                grown[new] = had[:old].min()
            elif not name.startswith("embedding"):
                grown[new] = 0
        extended[name] = grown
    return extended
