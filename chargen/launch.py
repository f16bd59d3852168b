"""From what was asked for to a trainer ready to run: texts opened, split, checked against a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen import catalog, checkpoint, runs
from chargen.checkpoint import Checkpoint
from chargen.corpus import Span, Text, open_text
from chargen.errors import CorpusError, RunError, UsageError
from chargen.labels import Labelled, read_labelled
from chargen.settings import DEFAULT_OUT, Settings, choose
from chargen.vocabulary import Vocabulary

if TYPE_CHECKING:
    from chargen.training import Trainer

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
        given: settings chosen by hand, by name; see `chargen.settings.Settings`.
        out: the folder of runs.
        name: the run's.
        valid: a text of its own to hold out, instead of the corpus's end.
        labels: labelled texts, instead of sources; see `chargen.labels`.
        resume: go on with the run ``name``, or with the newest.
        base: a model to start from.
        encoding, as_bytes: see `chargen.corpus.open_text`.
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
    settings = Settings(**given)
    if request.resume and request.base:
        raise UsageError("--resume and --from exclude each other", "Give one of them")
    if request.labels is not None and (request.sources or request.valid):
        other = "--valid" if request.valid else "a corpus"
        raise UsageError(f"--labels and {other} exclude each other", "Give one of them")
    run = runs.existing(request.out, request.name) if request.resume else None
    saved = None
    if run is not None:
        saved = checkpoint.read(run.last, resume=True)
        settings = _resumed_settings(saved, given, run.name)
    elif request.base:
        saved = checkpoint.read(runs.find(request.base, request.out))
        settings = _inherited_settings(saved, settings, given)
    as_bytes = saved.vocabulary.as_bytes if saved else request.as_bytes
    if request.as_bytes and not as_bytes:
        raise RunError("--bytes does not fit a model of characters", "Leave the option out")

    text, apart, labelled = _texts(request, settings, as_bytes, note, progress)
    names = labelled.names if labelled else ()
    if saved is not None and saved.labels != names:
        known = ", ".join(saved.labels[:8]) or "none"
        raise RunError(
            f"the model to go on from has other labels than this text: {known}",
            "Give the same --labels as for it, or none if it has none",
        )
    train, valid = split(text, settings.valid_fraction, settings.valid_chars, apart, names)
    if text.characters < 2:
        raise CorpusError(f"{text.names[0]} has one character", "Give at least two")
    if len(text.counts) == 1:
        note("the corpus is one character over and over: there is nothing to learn but that")
    if valid is None:
        note("no text is held out, so the best model is simply the latest")
    corpus = _describe(text, apart)
    if labelled is not None:
        corpus["labels"] = labelled.sha256
    asked = settings
    if run is not None and saved is not None:
        _same_corpus(saved, corpus, run.name)
        vocabulary = saved.vocabulary
        if len(Vocabulary.of(text, vocabulary.characters)) > len(vocabulary):
            raise RunError(f"the run {run.name} lacks characters of its own text", "Train anew")
    else:
        vocabulary = Vocabulary.of(text, saved.vocabulary.characters if saved else "")
        settings = choose(asked, len(train))
        # Sizes that contradict one another are found here, before a folder is made.
        settings.architecture(len(names))
        run = runs.create(request.out, request.name, text.names[0])
    # PyTorch takes seconds to import: not before everything that can be wrong has been looked at.
    from chargen.training import Trainer, pace

    try:
        open_choices = None in (asked.hidden, asked.dropout) and not request.resume
        if open_choices and settings.minutes is not None:
            note("trying how fast this machine trains, to choose what was left open")
            settings = choose(asked, len(train), pace(train, vocabulary, settings, names))
        trainer = Trainer(train, valid, vocabulary, settings, corpus, run, names)
    except BaseException:
        if not request.resume:
            run.abandon()
        raise
    if request.resume and saved is not None:
        trainer.restore(saved)
        if trainer.progress() >= 1:
            raise RunError(
                f"the run {run.name} has spent its budget ({settings.budget()})",
                "Give a larger one, or start a new run from it by --from",
            )
        run.rewind(trainer.counters.step)
    elif saved is not None:
        trainer.network.assign(_extended(saved, vocabulary, trainer.network.arrays()))
    return trainer


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


def _inherited_settings(saved: Checkpoint, settings: Settings, given: dict[str, Any]) -> Settings:
    sizes = asdict(saved.architecture)
    del sizes["labels"]
    if saved.architecture.arch != "transformer":
        sizes |= {"heads": None, "context": None}
    for option, value in sizes.items():
        if option in given and given[option] != value:
            raise RunError(
                f"the model to start from has --{option} {value}, not {given[option]}",
                "Leave the option out",
            )
    return replace(settings, **sizes)


def _extended(
    saved: Checkpoint, vocabulary: Vocabulary, fresh: dict[str, Any]
) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Return a model's weights with rows for the characters that only the new text has.

    A new character begins as the fresh network would have it, but no likelier than the rarest of
    the old: the model's first predictions stay what they were.
    """
    old = len(saved.vocabulary)
    extended = dict(saved.weights)
    if len(vocabulary) > old:
        for name in ("embedding.weight", "output.weight", "output.bias"):
            if name in extended:
                fresh[name][:old] = extended[name][:old]
                if saved.architecture.bidirectional:
                    # The last output says that a gap has ended, or is the input "no character".
                    fresh[name][-1] = extended[name][-1]
                extended[name] = fresh[name]
        new = slice(old, len(vocabulary))
        extended["output.bias"][new] = saved.weights["output.bias"][:old].min()
        if "output.weight" in extended:
            extended["output.weight"][new] = 0
    return extended
