"""From what was asked for to a trainer ready to run.

Three steps: open the texts, decide the plan, make the trainer. `chargen.training.resume` goes on
with a run, and `chargen.training.finetune` starts from another model.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from chargen import runs
from chargen.errors import ChargenError, UsageError
from chargen.options import Options, Plan
from chargen.ranks import ALONE, Ranks, job, place, starts
from chargen.text.corpus import check_alike
from chargen.text.examples import DOCUMENTS, LINES
from chargen.text.grams import Grams
from chargen.text.sources import STDIN
from chargen.text.vocabulary import Vocabulary
from chargen.training.choices import decide
from chargen.training.counting import affordable, counting
from chargen.training.finetune import Base
from chargen.training.request import Request
from chargen.training.resume import again, resumed
from chargen.training.texts import Note, Progress, Texts, open_texts

if TYPE_CHECKING:
    from chargen.training.loop import Trainer


def _silent(_: str) -> None:
    pass


def prepare(request: Request, *, note: Note = _silent, progress: Progress | None = None) -> Trainer:
    """Return a trainer for a new run, a resumed one, or one that starts from another model.

    Args:
        note: called with each line that the user should read.
        progress: called with bytes of the corpus surveyed and bytes in all.

    Raises:
        ChargenError: see `chargen.errors`; nothing has been written if the texts are at fault.
    """
    ranks = _ranks(request)
    if not ranks.first:
        note, progress = _silent, None
    if request.options.shard and ranks.size == 1:
        note("--shard changes nothing in one process: start several by torchrun")
    try:
        with ranks.heard():
            return _prepared(request, ranks, note, progress)
    except ChargenError:
        ranks.leave()
        raise


def _prepared(request: Request, ranks: Ranks, note: Note, progress: Progress | None) -> Trainer:
    # Rank 0 decides: other machines may not have counted the starts alike.
    begun = request
    request = ranks.given(lambda: again(begun) if starts() else begun)
    if request.resume:
        return resumed(request, ranks, note, progress)
    base = ranks.given(lambda: request.base and Base.find(request.base, request.out)) or None
    options = request.options if base is None else base.options(request.options)
    as_bytes = request.reads_bytes(None if base is None else base.saved.vocabulary)
    texts = open_texts(request.sources, options, as_bytes, note, progress, ranks)
    check_alike(texts.corpus, ranks)
    options = replace(options, lines=texts.items == LINES, documents=texts.items == DOCUMENTS)
    if base is not None:
        base.check_labels(texts.labels)
    vocabulary = texts.vocabulary(base.saved.vocabulary if base else None)
    # Sizes that contradict one another are found here, before a folder is made.
    plan = decide(options, texts.characters, texts.known(vocabulary))
    return _started(request, ranks, options, texts, vocabulary, plan, base, note)


def _ranks(request: Request) -> Ranks:
    """Return the processes that train together.

    Raises:
        UsageError: several cannot read standard input.
        TrainingError: they do not find one another.
    """
    if place()[1] == 1:
        return ALONE
    sources = request.sources
    if STDIN in (*sources.corpus, sources.valid, sources.labels, sources.keep):
        raise UsageError(
            "standard input cannot be read by several processes", "Give a file instead of -"
        )
    # PyTorch takes seconds to import, and one process needs it later.
    from chargen.training.group import Group

    return Group()


def _started(
    request: Request,
    ranks: Ranks,
    options: Options,
    texts: Texts,
    vocabulary: Vocabulary,
    plan: Plan,
    base: Base | None,
    note: Note,
) -> Trainer:
    """Make the folder of a new run, and its trainer; leave nothing behind if that fails."""
    with ExitStack() as over, ExitStack() as undo:
        run, lock = ranks.alone(
            lambda: runs.create(request.out, request.name, texts.name, overwrite=request.overwrite)
        ) or (None, None)
        if run is not None and lock is not None:
            undo.callback(run.abandon, lock)
        counted = None
        if plan.architecture.ngrams and ranks.first:
            most = affordable(plan.budget.seconds)
            counted = over.enter_context(counting(texts.train, vocabulary, plan.order, most))
        # PyTorch takes seconds to import, so everything that can be wrong is checked first.
        from chargen.training.growth import give_weights
        from chargen.training.hooks import Hooks
        from chargen.training.loop import Trainer
        from chargen.training.pace import throughput

        if None in (options.hidden, options.dropout) and plan.budget.unit == "minutes":
            note("trying how fast this machine trains, to choose what was left open")
            if counted is not None:
                # A trial beside other work would find a slow machine.
                counted()
            tried = throughput(texts, vocabulary, replace(options, dropout=plan.dropout), ranks)
            waited = ranks.told(time.perf_counter() - request.began)
            left = max(0.5, 1 - waited / plan.budget.seconds)
            plan = decide(options, texts.characters, texts.known(vocabulary), tried * left)
        hooks = Hooks.of(plan.architecture.kind, texts)
        trainer = Trainer(texts, vocabulary, plan, run, lock, hooks, request.began, ranks)
        if plan.architecture.ngrams:
            trainer.learner.network.give(ranks.given(lambda: counted() if counted else {}))
        if base is not None:
            give_weights(base.saved, trainer.learner, trainer.first_window())
            if trainer.kept is not None:
                trainer.kept.before(base.saved)
        if run is not None:
            # Nothing can go wrong any more: the run that this one replaces may go.
            run.clear()
            run.remember(request.sources.kept() | ({"job": job()} if ranks.size > 1 else {}))
            if request.fingerprints and plan.architecture.kind.continues:
                Grams.of(texts.train).write(run.fingerprints)
        undo.pop_all()
    return trainer
