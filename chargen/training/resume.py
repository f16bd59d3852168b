"""Going on with a run that was interrupted, or that gets a larger budget."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chargen import checkpoint, runs
from chargen.checkpoint import Checkpoint
from chargen.errors import RunError, UsageError, argument
from chargen.locks import Lock
from chargen.options import BUDGETS, DECLARED, Options
from chargen.ranks import Ranks, job
from chargen.records import typed
from chargen.runs import Run
from chargen.text.corpus import check_alike
from chargen.text.sources import STDIN
from chargen.training.choices import Known, decide, network
from chargen.training.finetune import same_labels
from chargen.training.request import Request
from chargen.training.texts import Note, Progress, Sources, open_texts

if TYPE_CHECKING:
    from chargen.training.loop import Trainer

FREE = (
    *(*BUDGETS, "patience", "evaluations"),
    *("device", "precision", "accumulate", "recompute", "shard"),
)
"""Options that a resumed run may change: they say how long, where and how exactly, not what."""

SHORT = 12
"""Characters of a sha256 that are shown."""


def again(request: Request) -> Request:
    """Return what to ask for when ``torchrun`` starts the same command once more.

    That is to go on with the run that the command has begun, if it has.
    """
    for run in runs.runs(request.out):
        if run.last.exists() and run.remembered().get("job") == job():
            return replace(request, resume=True, name=run.name, overwrite=False, base=None)
    return request


def resumed(request: Request, ranks: Ranks, note: Note, progress: Progress | None) -> Trainer:
    """Return a trainer that goes on with a run, exactly where it stopped.

    The number of ranks may be another than before.

    Raises:
        RunError: there is no such run, another process trains it, it cannot be resumed as asked, or
            nothing is left to do.
    """
    run = ranks.given(lambda: runs.existing(request.out, request.name))
    with ExitStack() as undo:
        # Lock first: another process could resume the run between reading and locking.
        lock = ranks.alone(lambda: _locked(run))
        if lock is not None:
            undo.callback(lock.release)
        saved = ranks.given(lambda: checkpoint.read(run.last, resume=True))
        stored = stored_options(saved, run.name)
        options = merged(stored, request.options, run.name)
        # An early run is one of running text, whatever its lines look like.
        options = replace(options, lines=bool(options.lines))
        as_bytes = request.reads_bytes(saved.vocabulary)
        sources = request.sources
        if not sources.corpus and sources.labels is None:
            sources = ranks.given(lambda: known_sources(request.sources, run))
        texts = open_texts(sources, options, as_bytes, note, progress, ranks)
        check_alike(texts.corpus, ranks)
        same_labels(saved, texts.labels)
        same_corpus(saved, texts.corpus, run.name)
        if len(texts.vocabulary(saved.vocabulary)) > len(saved.vocabulary):
            raise RunError(f"the run {run.name} lacks characters of its own text", "Train anew")
        # The stored options hold every choice, so that `decide` only copies them into a plan.
        plan = decide(options, texts.characters, texts.known(saved.vocabulary))
        # PyTorch takes seconds to import, so everything that can be wrong is checked first.
        from chargen.training.hooks import Hooks
        from chargen.training.loop import Trainer

        hooks = Hooks.of(plan.architecture.kind, texts)
        mine = run if ranks.first else None
        trainer = Trainer(texts, saved.vocabulary, plan, mine, lock, hooks, request.began, ranks)
        trainer.restore(saved)
        if trainer.finished():
            raise RunError(
                f"the run {run.name} has spent its budget ({plan.budget})",
                f"Give a larger one, or start a new run from it by {argument('base')}",
            )
        if mine is not None:
            mine.rewind(trainer.learner.counters.step)
        undo.pop_all()
    return trainer


def _locked(run: Run) -> Lock:
    try:
        return run.lock()
    except OSError as error:
        raise runs.unwritable(run.folder, error) from error


def known_sources(asked: Sources, run: Run) -> Sources:
    """Return where a run's texts are, as it was begun.

    Raises:
        RunError: it was trained on standard input, which cannot be read again.
    """
    kept = Sources.remembered(run.remembered())
    if STDIN in (*kept.corpus, kept.labels):
        raise RunError(
            f"the run {run.name} was trained on standard input",
            "Give the same text again, as - or as a file",
        )
    return kept if asked.valid is None else replace(kept, valid=asked.valid)


def stored_options(saved: Checkpoint, name: str) -> Options:
    """Return every choice of a run as its checkpoint has it.

    Raises:
        RunError: the checkpoint's settings are no choices that a run can have.
    """
    sizes = saved.architecture
    usual = {name: declared.usual for name, declared in DECLARED.items()} | {"arch": sizes.arch}
    stored = {key: value for key, value in saved.settings.items() if key in DECLARED}
    stored["features"] = "on" if sizes.ngrams else "off"
    try:
        options = typed(Options, usual | stored)
        if None in (options.dropout, options.bptt, options.lr):
            raise ValueError("choices not made")
        if not any(getattr(options, unit) for unit in BUDGETS):
            raise ValueError("no budget")
        states = [len(one) for name, one in saved.tensors.items() if name.startswith("state.")]
        if set(states) - {options.batch}:
            raise ValueError("states of another batch")
        layers, hidden, bptt = options.layers or 0, options.hidden or 0, options.bptt or 0
        known = Known(len(saved.labels), sizes.targets, sizes.features)
        if network(options, layers, hidden, bptt, known) != replace(sizes, ngrams=0, followers=0):
            raise ValueError("settings of another network")
    except (UsageError, TypeError, ValueError, KeyError, IndexError) as error:
        raise RunError(f"the run {name} has settings that make no sense", "Train anew") from error
    return options


def merged(stored: Options, asked: Options, name: str) -> Options:
    """Return a run's options with those that a resumed run may change.

    Raises:
        RunError: another option is asked to change.
    """
    given = asked.given()
    for option, value in given.items():
        if option not in FREE and value not in (getattr(stored, option), "auto"):
            raise RunError(
                f"the run {name} has {argument(option)} {getattr(stored, option)}, not {value}",
                f"Leave the option out, or start a new run from it by {argument('base')}",
            )
    changes: dict[str, Any] = {key: value for key, value in given.items() if key in FREE}
    if any(unit in changes for unit in BUDGETS):
        changes = dict.fromkeys(BUDGETS) | changes
    return replace(stored, **changes)


def same_corpus(saved: Checkpoint, corpus: dict[str, Any], name: str) -> None:
    """Make sure that the texts are those of the run.

    Raises:
        RunError: the corpus, its labels or the held-out text is another.
    """
    names = ", ".join(saved.corpus_names) or "another text"
    before, now = _print_of(saved.corpus), _print_of(corpus)
    if before != now:
        raise RunError(
            f"the run {name} was trained on {names} (sha256 {before}…), and this text is another "
            f"({now}…)",
            f"Give the same corpus again, or start a new run from it by {argument('base')}",
        )
    before, now = _print_of(saved.corpus.get("kept")), _print_of(corpus.get("kept"))
    if before != now:
        raise RunError(
            f"the run {name} keeps another text in mind than this (sha256 {before}, not {now})",
            f"Give the same {argument('keep')} again, or none if there was none",
        )
    if saved.corpus.get("held_out") != corpus.get("held_out"):
        raise RunError(
            f"the run {name} was begun by an earlier chargen, which held out other parts of "
            "several files",
            f"Start a new run from it by {argument('base')}",
        )
    if saved.corpus.get("labels") != corpus.get("labels"):
        raise RunError(
            f"the run {name} was trained on the same text with other labels",
            f"Give the same {argument('labels')} again, or start a new run",
        )
    before, now = _print_of(saved.corpus.get("valid")), _print_of(corpus.get("valid"))
    if before != now:
        raise RunError(
            f"the run {name} held out another text than this (sha256 {before}, not {now})",
            f"Give the same {argument('valid')} again, or none if there was none",
        )


def _print_of(about: object) -> str:
    """Return the beginning of a text's sha256; "none" where there was no text."""
    return str(about.get("sha256"))[:SHORT] if isinstance(about, dict) else "none"
