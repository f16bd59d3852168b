"""The training loop: it learns, saves, resumes, rolls back, and evaluation leaves no trace."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chargen import checkpoint
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal as Engine
from chargen.errors import RunError, TrainingError, UsageError
from chargen.model import load
from chargen.options import Options
from chargen.runs import Run
from chargen.tasks.each import score_each, together
from chargen.text.corpus import read_all
from chargen.text.labelled import examples
from chargen.training.choices import decide
from chargen.training.devices import pick_device, pick_precision
from chargen.training.evaluate import evaluate
from chargen.training.growth import rows
from chargen.training.loop import Trainer
from chargen.training.pace import throughput
from chargen.training.reports import (
    Conclusion,
    Done,
    Evaluation,
    Report,
    Rollback,
    Start,
    Step,
)
from chargen.training.state import Learner
from tests.conftest import STORY, posix_only, prepared, write

TINY: dict[str, Any] = {
    "hidden": 16, "embed": 8, "batch": 4, "bptt": 16, "steps": 40, "precision": "fp32",
    "evaluations": 4, "lr": 0.01, "features": "off",
}  # fmt: skip


FAMILY: dict[str, dict[str, Any]] = {
    "elman": {"arch": "elman"},
    "gru": {"arch": "gru"},
    "lstm": {"arch": "lstm"},
    "transformer": {"arch": "transformer", "embed": 16, "heads": 2, "context": 24},
    "bidirectional": {"arch": "gru", "bidirectional": True},
    "labels": {"arch": "lstm", "labels": True},
    "classifier": {"arch": "gru", "bidirectional": True, "labels": True},
    "pairs": {"arch": "lstm", "pairs": True},
    "tags": {"arch": "lstm", "tags": True},
    "n-grams": {"arch": "lstm", "features": "on"},
    "rare": {"arch": "gru", "common": 12},
    "undo": {"arch": "gru", "undo": "case,punctuation"},
    "noise": {"arch": "elman", "undo": "noise"},
    "soft pairs": {"arch": "gru", "pairs": True, "attention": "soft"},
}
"""Settings that make a network of each kind; ``labels`` stands for a labelled text."""

NETWORKS = ["elman", "gru", "lstm", "transformer"]
WRITERS = [*NETWORKS, "n-grams"]


def trainer(story: Path, **options: Any) -> Trainer:
    asked: dict[str, Any] = {}
    source: Path | None = story
    if options.pop("labels", False):
        text = story.read_text(encoding="utf-8")
        lines = (f"{'ab'[n % 2]}\t{line}\n" for n, line in enumerate(text.splitlines()))
        asked["labels"] = str(write(story.parent / "story.tsv", "".join(lines)))
        source = None
    if options.get("pairs"):
        text = story.read_text(encoding="utf-8")
        pairs = (f"{word}{n % 3}\t{word.upper()}\n" for n, word in enumerate(text.split()))
        source = write(story.parent / "pairs.tsv", "".join(pairs))
    if options.get("tags"):
        text = story.read_text(encoding="utf-8")
        rows = (f"{n}{line}\t0-1:N,1-4:W\n" for n, line in enumerate(text.splitlines()))
        source = write(story.parent / "tags.tsv", "".join(rows))
    for name in ("name", "resume", "base", "valid", "as_bytes"):
        if name in options:
            asked[name] = options.pop(name)
    chosen = options if asked.get("resume") else TINY | options
    return prepared(source, story.parent / "runs", chosen, **asked)


def texts_of(kind: str) -> dict[str, bool]:
    """The options that say what the texts of a kind are."""
    return {name: True for name in ("labels", "pairs", "tags") if name in FAMILY[kind]}


def run(story: Path, **options: Any) -> tuple[Trainer, list[Report]]:
    made = trainer(story, **options)
    return made, list(made)


def weights(made: Trainer) -> dict[str, np.ndarray]:
    return made.learner.network.arrays()


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", [*NETWORKS, "bidirectional"])
def test_training_learns(story: Path, kind: str) -> None:
    """Every kind of network ends far below where it began, on text it has not trained on."""
    _, reports = run(story, **FAMILY[kind], dropout=0.1, layers=2, steps=120)
    evals = [report.data for report in reports if report.event == "eval"]
    key = "pseudo_nats_per_char" if kind == "bidirectional" else "nats_per_char"
    assert evals[-1][key] < 0.8 * evals[0][key]


@pytest.mark.parametrize("kind", WRITERS)
def test_the_engines_agree_on_a_trained_model(story: Path, kind: str) -> None:
    """After training as before it, both engines give the same logits to 1e-4."""
    made, _ = run(story, **FAMILY[kind], layers=2, steps=80)
    ids = made.learner.vocabulary.encode(STORY)[None, :600]
    engine = Engine(made.learner.network.described(), weights(made))
    made.learner.network.eval()
    with torch.no_grad():
        logits, _ = made.learner.network(torch.from_numpy(ids), made.learner.network.start(1))
    np.testing.assert_allclose(logits.numpy(), engine.forward(ids, engine.start(1))[0], atol=1e-4)


def test_reports_tell_the_whole_story(story: Path) -> None:
    """Start, a report a step, evaluations with samples, done; with the keys of the contract."""
    made, reports = run(story)
    assert [report.event for report in reports].count("step") == 40
    assert reports[0].event == "start"
    done = reports[-1].data
    assert reports[-1].event == "done"
    assert done["stopped"] == "budget"
    assert done["best"] == str(made.run.best)  # type: ignore[union-attr]
    assert {"characters", "unknown", "nats_per_char", "perplexity", "bpc", "bits_per_byte"} <= set(
        done["valid"]
    )
    events = [report.event for report in reports if report.event in ("eval", "sample")]
    assert events == ["eval", "sample"] * 4
    lines = made.run.metrics.read_text().splitlines()  # type: ignore[union-attr]
    assert sum(json.loads(line)["event"] == "eval" for line in lines) == 4


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_trainers_figure_is_the_scorers(story: Path, precision: str) -> None:
    """The best model on disk, scored by NumPy on the held-out end, has the figure reported."""
    _, reports = run(story, precision=precision)
    valid = reports[-1].data["valid"]
    held_out = write(story.parent / "tail.txt", STORY[int(len(STORY) * 0.9) :])
    result = load("story", story.parent / "runs").perplexity(held_out)
    assert result.nats_per_char == pytest.approx(valid["nats_per_char"], abs=1e-3)
    assert result.characters == valid["characters"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_evaluation_changes_nothing(story: Path, precision: str) -> None:
    """The same weights come out with one evaluation and with many."""
    few, _ = run(story, evaluations=1, name="few", dropout=0.3, precision=precision)
    many, _ = run(story, evaluations=40, name="many", dropout=0.3, precision=precision)
    assert same(weights(few), weights(many))


def test_held_out_text_touches_no_gradient(story: Path) -> None:
    """Another held-out end with the same characters leaves the weights as they are."""
    cut = int(len(STORY) * 0.9)
    changed = STORY[:cut] + STORY[cut:][::-1]
    one, _ = run(story)
    other, _ = run(write(story.parent / "other.txt", changed))
    assert same(weights(one), weights(other))


def test_training_twice_gives_the_same_weights(story: Path) -> None:
    """Same seed, same text, same machine: same weights; another seed, other weights."""
    one, two, three = (run(story, seed=seed, name=f"r{n}")[0] for n, seed in enumerate((1, 1, 2)))
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(three))


def test_a_model_tells_nothing_of_its_maker(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of the text, no path, no user and no machine is in what a run writes."""
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "heronwatcher")
    made, _ = run(story)
    assert made.run is not None
    # Where the texts are is kept beside the models, to go on without being told; not in them.
    told = [path for path in made.run.folder.iterdir() if path != made.run.sources]
    data = b"".join(path.read_bytes() for path in told)
    assert b"story.txt" in data
    secrets = [str(story.parent), str(Path.home()), os.getcwd(), "heronwatcher", platform.node()]
    stretches = [STORY[at : at + 12] for at in range(0, len(STORY) - 12, 5)]
    # As JSON has them, too.
    forms = [json.dumps(stretch)[1:-1] for stretch in stretches]
    for secret in (*secrets, *stretches, *forms):
        assert len(secret) < 4 or secret.encode() not in data


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize("interrupted_at", [3, 17])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    story: Path, kind: str, interrupted_at: int
) -> None:
    """Bit for bit: weights, optimizer, history and best model, in fp32 and across epochs."""
    whole, _ = run(story, **FAMILY[kind], dropout=0.2, layers=2, name="whole")
    first = trainer(story, **FAMILY[kind], dropout=0.2, layers=2, name="parts")
    for report in first:
        if report.event == "step" and report.data["step"] == interrupted_at:
            first.stop()
    assert report.data["stopped"] == "interrupted"
    second, _ = run(story, name="parts", resume=True, **texts_of(kind))
    one = checkpoint.read(whole.run.last, resume=True)  # type: ignore[union-attr]
    two = checkpoint.read(second.run.last, resume=True)  # type: ignore[union-attr]
    assert same(dict(one.weights), dict(two.weights))
    assert same(dict(one.tensors), dict(two.tensors))
    timeless = [
        [{k: v for k, v in entry.items() if k != "seconds"} for entry in saved.history]
        for saved in (one, two)
    ]
    assert timeless[0] == timeless[1]


def test_a_step_that_was_not_finite_leaves_nothing_behind(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next step is as if it had not been taken."""
    settings = FAMILY["n-grams"] | {"dropout": 0.0}
    whole = trainer(story, **settings, name="whole")
    whole.learner.step(next(whole._portions()), 0.01)
    other = trainer(story, **settings, name="other")
    with monkeypatch.context() as patch:
        patch.setattr("chargen.training.state.clip_grad_norm_", lambda *_: math.nan)
        other.learner.step(next(other._portions()), 0.01)
    other.learner.step(next(other._portions()), 0.01)
    assert same(weights(whole), weights(other))


@pytest.mark.parametrize("kind", FAMILY)
def test_a_batch_in_pieces_is_the_same_batch(story: Path, kind: str) -> None:
    """Gradients of four lanes in three pieces are those of all at once, with dropout as well."""
    settings = FAMILY[kind] | {"dropout": 0.2, "layers": 2, "steps": 12, "lr": 0.001}
    whole, _ = run(story, **settings, name="whole")
    pieces, _ = run(story, **settings, name="pieces", accumulate=3)
    one, other = weights(whole), weights(pieces)
    assert max(float(np.abs(one[name] - other[name]).max()) for name in one) < 1e-5


@pytest.mark.parametrize("kind", FAMILY)
def test_layers_that_are_computed_twice_are_the_same(story: Path, kind: str) -> None:
    """Dropout is drawn alike both times, and what is drawn after it, too, in pieces as well."""
    settings = FAMILY[kind] | {"dropout": 0.2, "layers": 2, "steps": 12, "lr": 0.001}
    once, _ = run(story, **settings, accumulate=2, name="once")
    twice, _ = run(story, **settings, accumulate=2, name="twice", recompute=True)
    assert same(weights(once), weights(twice))


def test_shuffled_documents_come_again_in_the_same_order(story: Path) -> None:
    """A resumed run goes on in the order that the seed gave; the files' own order is another."""
    folder = story.parent / "files"
    folder.mkdir()
    for number, line in enumerate(STORY.splitlines(keepends=True)):
        write(folder / f"{number:02}.txt", f"{number} {line}")
    whole, _ = run(folder, shuffle="documents", name="whole")
    plain, _ = run(folder, name="plain")
    first = trainer(folder, shuffle="documents", name="parts")
    for report in first:
        if report.event == "step" and report.data["step"] == 9:
            first.stop()
    second, _ = run(folder, name="parts", resume=True)
    assert same(weights(whole), weights(second))
    assert not same(weights(whole), weights(plain))


@pytest.mark.parametrize("kind", FAMILY)
def test_resuming_in_bf16_is_exact_too(story: Path, kind: str) -> None:
    """The recurrent state is kept in full, whatever the precision of the products."""
    whole, _ = run(story, **FAMILY[kind], precision="bf16", layers=2, name="whole")
    first = trainer(story, **FAMILY[kind], precision="bf16", layers=2, name="parts")
    for report in first:
        if report.event == "step" and report.data["step"] == 9:
            first.stop()
    second = trainer(story, name="parts", resume=True, **texts_of(kind))
    list(second)
    assert same(weights(whole), weights(second))


def test_time_spent_counts_after_resuming(story: Path) -> None:
    """A run of some minutes goes on with the minutes that are left."""
    first = trainer(story, steps=None, minutes=0.02)
    for report in first:
        if report.event == "step":
            first.stop()
    assert isinstance(report, Done)
    assert 0 < report.seconds < 1.2
    _, reports = run(story, resume=True)
    start, end = reports[0], reports[-1]
    assert isinstance(start, Start)
    assert isinstance(end, Done)
    assert start.seconds >= report.seconds
    assert end.stopped == "budget"
    assert end.seconds > 0.9


def test_what_a_kill_left_undone_at_the_end_is_done(story: Path) -> None:
    """Resuming a run with labels fits a missing inverse temperature; then nothing is left to do."""
    made, _ = run(story, labels=True, name="kinds")
    assert made.run is not None
    sharpness = checkpoint.read(made.run.best).figures["sharpness"]
    for path in (made.run.best, made.run.last):
        saved = checkpoint.read(path, resume=True)
        figures = {name: value for name, value in saved.figures.items() if name != "sharpness"}
        checkpoint.write(path, replace(saved, figures=figures))
    again, reports = run(story, labels=True, name="kinds", resume=True)
    assert [report.event for report in reports] == ["start", "done"]
    assert checkpoint.read(made.run.best).figures["sharpness"] == sharpness
    with pytest.raises(RunError, match="spent its budget"):
        run(story, labels=True, name="kinds", resume=True)
    assert same(weights(made), weights(again))


def test_a_finished_run_is_not_resumed_without_a_larger_budget(story: Path) -> None:
    """The error says what was spent; a larger budget goes on."""
    run(story)
    with pytest.raises(RunError, match=r"has spent its budget \(40 steps\)"):
        trainer(story, resume=True)
    made, reports = run(story, resume=True, steps=44)
    assert reports[-1].data["step"] == 44
    assert [r.data["step"] for r in reports if r.event == "eval"][-1] == 44
    assert checkpoint.read(made.run.last, resume=True).training["step"] == 44  # type: ignore[union-attr]


def test_resuming_checks_corpus_and_architecture(story: Path) -> None:
    """Another text, another size or another seed is refused by name."""
    made = trainer(story)
    made.save()
    assert made.lock is not None
    made.lock.release()
    other = write(story.parent / "other.txt", STORY + "x")
    with pytest.raises(RunError, match=r"was trained on story\.txt .* this text is another"):
        trainer(other, resume=True)
    with pytest.raises(RunError, match="held out another text"):
        trainer(story, resume=True, valid=str(other))
    with pytest.raises(RunError, match="has `hidden` 16, not 32"):
        trainer(story, resume=True, hidden=32)
    with pytest.raises(RunError, match="has `arch` lstm, not gru"):
        trainer(story, resume=True, arch="gru")
    with pytest.raises(RunError, match="`as_bytes` does not fit"):
        trainer(story, resume=True, as_bytes=True)


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_a_loss_that_is_not_finite_is_rolled_back(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights go back to the last good state, the learning rate is halved, training goes on."""
    made = trainer(story)
    plain, calls = made.learner.network.cost, []

    def failing(*arguments: Any) -> Any:
        nats, state = plain(*arguments)
        calls.append(made.learner.network.training)
        return (nats * math.nan if sum(calls) == 15 else nats), state

    monkeypatch.setattr(made.learner.network, "cost", failing)
    reports = list(made)
    (back,) = [report.data for report in reports if report.event == "rollback"]
    assert back == {"step": 15, "to": 10, "rate": 0.5}
    lines = made.run.metrics.read_text().splitlines()  # type: ignore[union-attr]
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)
    rates = {r.data["step"]: r.data["lr"] for r in reports if r.event == "step"}
    assert rates[40] == pytest.approx(0.01 * 0.5 * (1 - 39 / 40))
    assert reports[-1].data["step"] == 40
    assert all(np.isfinite(array).all() for array in weights(made).values())


def test_a_loss_that_never_recovers_ends_training(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many rollbacks in a row the error names the learning rate; the state is sound."""
    made = trainer(story)
    plain = made.learner.network.cost
    monkeypatch.setattr(
        made.learner.network, "cost", lambda *a: ((r := plain(*a))[0] * math.nan, r[1])
    )
    with pytest.raises(TrainingError, match=r"non-finite after 8 rollbacks.*`lr` than 0\.01"):
        list(made)
    assert all(np.isfinite(array).all() for array in weights(made).values())


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_a_ruined_state_is_never_kept(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation that is not finite is undone, and `last` always resumes."""
    made = trainer(story)
    plain: Any = made.learner.network.charge
    broken = []

    def failing(*arguments: Any) -> Any:
        nats, hits, state = plain(*arguments)
        counters, network = made.learner.counters, made.learner.network
        if counters.step == 20 and not network.training and counters.rate == 1:
            broken.append(counters.step)
            return nats * math.nan, hits, state
        return nats, hits, state

    monkeypatch.setattr(made.learner.network, "charge", failing)
    reports = list(made)
    assert broken
    (back,) = [report for report in reports if isinstance(report, Rollback)]
    assert (back.step, back.to, back.rate) == (20, 10, 0.5)
    assert [r.step for r in reports if isinstance(r, Evaluation)] == [10, 20, 30, 40]
    assert made.run is not None
    assert all(math.isfinite(entry["nats_per_char"]) for entry in made.learner.history)
    _, more = run(story, resume=True, steps=44)
    assert more[-1].data["step"] == 44


def test_a_state_that_cannot_go_on_does_not_replace_a_good_one(story: Path) -> None:
    """Whatever broke the weights just before the end, the last good state is what is saved."""
    made = trainer(story)
    for report in made:
        if isinstance(report, Step) and report.step == 17:
            made.stop()
            with torch.no_grad():
                made.learner.network.output.bias.fill_(math.nan)
    assert made.run is not None
    assert checkpoint.read(made.run.last, resume=True).training["step"] == 10
    _, reports = run(story, resume=True)
    assert reports[-1].data["step"] == 40


def test_a_caller_that_turns_away_loses_nothing(story: Path) -> None:
    """Closing the iterator of reports saves the state after the step under way."""
    made = trainer(story)
    with closing(iter(made)) as reports:
        for report in reports:
            if isinstance(report, Step) and report.step == 13:
                break
    assert made.run is not None
    assert checkpoint.read(made.run.last, resume=True).training["step"] == 13


def test_the_training_figure_follows_the_loss(story: Path) -> None:
    """It averages a tenth of the steps, so that it is near the loss, and a resume keeps it."""
    whole, reports = run(story, name="whole")
    steps = [report for report in reports if isinstance(report, Step)]
    for at in (5, 20, 39):
        near = [report.nats_per_char for report in steps[max(0, at - 12) : at + 1]]
        assert min(near) <= steps[at].smooth_nats_per_char <= max(near)
    first = trainer(story, name="parts")
    for report in first:
        if isinstance(report, Step) and report.step == 25:
            first.stop()
    second, _ = run(story, name="parts", resume=True)
    assert second.learner.counters.smooth == whole.learner.counters.smooth


def test_the_best_model_is_scored_on_everything_at_the_end(story: Path) -> None:
    """Evaluations score a sample; the last one scores all that is held out, and says so."""
    long = write(story.parent / "long.txt", STORY * 40)
    made, reports = run(long)
    (conclusion,) = [report for report in reports if isinstance(report, Conclusion)]
    done = reports[-1]
    assert isinstance(done, Done)
    assert done.valid is not None
    evaluations = [report for report in reports if isinstance(report, Evaluation)]
    assert {report.figures["characters"] for report in evaluations} == {4096}
    assert made.texts.valid is not None
    assert done.valid["characters"] == conclusion.characters == len(made.texts.valid)
    saved = checkpoint.read(made.run.best)  # type: ignore[union-attr]
    assert saved.figures["characters"] == conclusion.characters
    assert made.learner.counters.concluded


def test_a_run_knows_where_its_text_is(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resuming needs no corpus, whatever folder it is done in."""
    first = trainer(story)
    for report in first:
        if isinstance(report, Step) and report.step == 13:
            first.stop()
    monkeypatch.chdir(story.parent / "runs")
    list(prepared(None, story.parent / "runs", {}, name="story", resume=True))
    assert first.run is not None
    assert checkpoint.read(first.run.last, resume=True).training["step"] == 40


def test_a_resumed_run_may_compute_otherwise(story: Path) -> None:
    """Precision and the number of evaluations may change; one that is overdue is made at once."""
    first = trainer(story, precision="fp32")
    for report in first:
        if isinstance(report, Step) and report.step == 13:
            first.stop()
    made, reports = run(story, resume=True, precision="bf16", evaluations=8)
    assert made.learner.precision == "bf16"
    assert [r.step for r in reports if isinstance(r, Evaluation)] == [14, 15, 20, 25, 30, 35, 40]


def test_patience_ends_training_early(story: Path) -> None:
    """Without a new best for that many evaluations, training stops and says why."""
    made = trainer(story, patience=2, steps=4000, evaluations=100, lr=0.05)
    for report in made:
        if report.event == "eval" and report.data["step"] >= 400:
            made.schedule = replace(made.schedule, plan=replace(made.plan, lr=0.0))
            made.learner.counters.best = 0.0
    assert report.data["stopped"] == "patience"
    assert report.data["step"] <= 520


def test_a_budget_of_time_is_chosen_for_by_trying(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pace of this machine is measured, and what was not asked for follows from it."""
    made = trainer(story, steps=None, minutes=0.01, name="measured")
    options = Options(**TINY | {"steps": None, "minutes": 0.01})
    assert 0 < throughput(made.texts, made.learner.vocabulary, options) < math.inf
    for pretended in (1.0, 1e9):
        monkeypatch.setattr(
            "chargen.training.pace.throughput", lambda *_, pretended=pretended: pretended
        )
        made = trainer(story, steps=None, minutes=0.01, name=f"pace{pretended:.0f}")
        assert made.plan == decide(options, len(made.texts.train), throughput=pretended)


def test_epochs_are_whole_passes(story: Path) -> None:
    """Two epochs train on every character twice."""
    made, reports = run(story, steps=None, epochs=2)
    assert reports[-1].data["characters_seen"] == 2 * len(made.texts.train)


def test_without_held_out_text_the_latest_is_the_best(story: Path) -> None:
    """Everything is trained on, no perplexity is claimed, and there is still a best model."""
    made, reports = run(story, valid_fraction=0.0)
    assert reports[-1].data["valid"] is None
    best = checkpoint.read(made.run.best)  # type: ignore[union-attr]
    assert same(dict(best.weights), weights(made))
    assert "perplexity" not in best.figures


def test_a_text_of_its_own_can_be_held_out(story: Path) -> None:
    """With --valid all of the corpus is trained on, and strange characters are charged."""
    held_out = write(story.parent / "valid.txt", "Ω tide")
    made, reports = run(story, valid=str(held_out))
    assert len(made.texts.train) == len(STORY)
    assert reports[-1].data["valid"]["characters"] == 6
    assert reports[-1].data["valid"]["unknown"] == 1


def test_one_distinct_character_trains(story: Path) -> None:
    """There is nothing to learn, and that is no error."""
    _, reports = run(write(story.parent / "a.txt", "a" * 500))
    assert reports[-1].data["valid"]["perplexity"] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("text", ["ab", "abc", "hello world"])
def test_the_shortest_texts_train(story: Path, text: str) -> None:
    """Two characters are enough when the window is chosen by itself."""
    path = write(story.parent / "short.txt", text)
    _, reports = run(path, batch=None, bptt=None, steps=3)
    assert reports[-1].data["step"] == 3


GREEK = "".join(map(chr, range(0x391, 0x3A2))) + "".join(map(chr, range(0x3A3, 0x3AA)))
CHINESE = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))


@pytest.mark.parametrize("new", [GREEK, CHINESE])
@pytest.mark.parametrize(
    "kind", ["lstm", "n-grams", "rare", "transformer", "bidirectional", "tied"]
)
def test_new_characters_change_no_first_prediction(story: Path, kind: str, new: str) -> None:
    """Whatever is added, old text costs what it did, to one percent of its perplexity.

    With n-grams it may cost less: the new text, which begins with the old one, is counted as well.
    """
    family = {"arch": "gru", "embed": 16, "tied": True} if kind == "tied" else FAMILY[kind]
    # With one evaluation, the last weights are the best ones.
    base, _ = run(story, name="base", **family | {"evaluations": 1})
    other = write(story.parent / "new.txt", STORY + "\n".join([new * 3] * 4))
    made = trainer(other, base="base", **family)
    old, grown = base.learner, made.learner
    known = old.vocabulary.characters
    assert grown.vocabulary.characters == known + new
    rows = weights(made)["embedding.weight"]
    assert np.array_equal(rows[: len(known)], weights(base)["embedding.weight"][:-1])
    assert base.texts.valid is not None
    before, after = (
        evaluate(learner.network, base.texts.valid, learner.vocabulary, "fp32").loss
        for learner in (old, grown)
    )
    change = after - before
    assert math.exp(change if kind == "n-grams" else abs(change)) < 1.01


def test_fine_tuning_takes_the_models_sizes(story: Path) -> None:
    """Another size is refused by name."""
    run(story, name="base")
    with pytest.raises(RunError, match="has `hidden` 16, not 20"):
        trainer(story, base="base", hidden=20)


def test_the_end_of_each_file_is_held_out(story: Path) -> None:
    """No file is held out whole, and each has a share in the score."""
    folder = story.parent / "texts"
    folder.mkdir()
    for number in range(4):
        write(folder / f"{number}.txt", STORY + "αβγδ"[number] * 100)
    made = trainer(folder)
    assert made.run is not None
    assert made.run.name == "texts"
    assert made.texts.valid is not None
    size = len(STORY) + 100
    cut = int(size * 0.9)
    assert made.texts.train.ranges == tuple((n * size, n * size + cut) for n in range(4))
    assert made.texts.valid.ranges == tuple((n * size + cut, (n + 1) * size) for n in range(4))
    held = read_all(made.texts.valid.blocks())
    assert set("αβγδ") <= set(held)
    assert read_all(made.texts.valid.blocks(50, 60)) == held[50:60]
    few = trainer(folder, valid_chars=40)
    assert few.texts.valid is not None
    assert len(few.texts.valid) == 40
    assert len(few.texts.valid.ranges) == 4
    list(few)


def test_many_short_files_hold_out_the_last(story: Path) -> None:
    """Where no file is long enough to hold a part out, the end of them all is."""
    folder = story.parent / "texts"
    folder.mkdir()
    for number, word in enumerate(STORY.split()[:60]):
        write(folder / f"{number:03}.txt", word[:9])
    made = trainer(folder, batch=1, bptt=8)
    assert made.texts.valid is not None
    total = made.texts.train.text.characters
    assert made.texts.valid.ranges == ((int(total * 0.9), total),)


NAMES = "".join(f"{a}{b}{c}\n" for a in "KLMNRST" for b in "aeiou" for c in ("na", "ra", "bert"))


def test_a_list_is_learned_item_by_item(story: Path) -> None:
    """Lines of a list begin and end by themselves, in training and in what is written."""
    names = write(story.parent / "names.txt", NAMES)
    made, reports = run(names, steps=300, hidden=32, evaluations=3)
    assert made.plan.lines
    assert made.texts.valid is not None
    model = load("names", story.parent / "runs")
    assert model.checkpoint.end == "\n"
    items = [one.text for one in model.samples(100, count=20, seed=0)]
    assert all(2 <= len(item) <= 9 and "\n" not in item for item in items)
    assert len(set(items)) > 5
    # The trainer's figure is the one of each line alone.
    held = [one for one, _ in examples(made.texts.valid.text, 1000)]
    alone = score_each(
        model.engine_for(None), model.checkpoint.vocabulary, [(one, one) for one in held]
    )
    done = reports[-1]
    assert isinstance(done, Done)
    assert done.valid is not None
    assert done.valid["nats_per_char"] == pytest.approx(together(alone)["nats_per_char"], abs=1e-3)


def test_running_text_may_be_taken_as_lines_and_lists_as_running_text(story: Path) -> None:
    """The options say what a text is made of, whatever it looks like."""
    names = write(story.parent / "names.txt", NAMES)
    assert not trainer(names, lines=False).plan.lines
    assert trainer(story, lines=True).plan.lines
    two = story.parent / "two"
    two.mkdir()
    for number in range(3):
        write(two / f"{number}.txt", STORY + str(number))
    made, _ = run(two, documents=True, valid_fraction=0)
    assert made.plan.documents
    assert load("two", story.parent / "runs").checkpoint.end == "\x03"
    with pytest.raises(UsageError, match="`lines` and `bidirectional` exclude each other"):
        trainer(story, lines=True, bidirectional=True)


def test_heads_are_checked_after_what_is_inherited(story: Path) -> None:
    """A resumed transformer, or one started from, takes its own heads and no others."""
    run(story, **FAMILY["transformer"], name="base")
    assert trainer(story, resume=True, name="base", heads=2, steps=44)
    with pytest.raises(RunError, match="has `heads` 2, not 4"):
        trainer(story, resume=True, name="base", heads=4, steps=44)
    with pytest.raises(RunError, match="start from has `heads` 2, not 4"):
        prepared(story, story.parent / "runs", {"heads": 4}, base="base")
    with pytest.raises(UsageError, match="`heads` is for a transformer, not lstm"):
        trainer(story, heads=4)


def test_a_header_without_some_settings_has_the_usual_ones(story: Path) -> None:
    """What an early checkpoint does not say is what was usual; a window that is missing is not."""
    made, _ = run(story, name="early")
    assert made.run is not None
    saved = checkpoint.read(made.run.last, resume=True)
    kept = {key: value for key, value in saved.settings.items() if key not in ("clip", "arch")}
    checkpoint.write(made.run.last, replace(saved, settings=kept))
    assert trainer(story, name="early", resume=True, clip=1.0, arch="lstm", steps=44)
    del kept["bptt"]
    checkpoint.write(made.run.last, replace(saved, settings=kept))
    with pytest.raises(RunError, match="make no sense"):
        trainer(story, name="early", resume=True, steps=44)


def test_a_trial_survives_a_rollback(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed is measured over the steps that count."""
    made = trainer(story)
    plain, calls = Learner.step, []

    def failing(self: Learner, *given: Any) -> tuple[float, float]:
        nats, norm = plain(self, *given)
        calls.append(nats)
        return (math.nan if len(calls) == 3 else nats), norm

    monkeypatch.setattr(Learner, "step", failing)
    options = Options(**TINY | {"steps": None, "minutes": 0.001})
    assert 0 < throughput(made.texts, made.learner.vocabulary, options) < math.inf


@pytest.mark.parametrize(
    "wrong", [lambda powers: powers[1:], lambda powers: powers + 17, lambda powers: powers * 1.0j]
)
def test_powers_come_back_if_they_can_be_believed(story: Path, wrong: Callable[[Any], Any]) -> None:
    """The powers for the next evaluation are part of the state; damaged ones are refused."""
    made, _ = run(story, **FAMILY["n-grams"])
    saved, powers = made.learner.capture({}), made.learner.powers
    assert powers is not None
    made.learner.powers = None
    made.learner.restore(saved)
    np.testing.assert_array_equal(made.learner.powers, powers)
    damaged = replace(saved, tensors={**saved.tensors, "powers": wrong(powers)})
    with pytest.raises(RunError, match="lacks or mistakes powers"):
        made.learner.restore(damaged)


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_powers_go_back_with_the_weights(story: Path) -> None:
    """An evaluation of ruined weights leaves ruined powers, and a rollback takes back both."""
    made = trainer(story, **FAMILY["n-grams"])
    good: Any = None
    back: list[int] = []
    for report in made:
        if isinstance(report, Evaluation) and report.step == 10:
            good = made.learner.powers
        elif isinstance(report, Step) and report.step == 20 and not back:
            with torch.no_grad():
                made.learner.network.output.bias.fill_(math.nan)
        elif isinstance(report, Rollback):
            back.append(report.to)
            np.testing.assert_array_equal(made.learner.powers, good)
    assert back == [10]
    assert made.learner.powers is not None
    assert np.isfinite(made.learner.powers).all()


@pytest.mark.parametrize("kind", FAMILY)
def test_every_kind_learns_new_characters(story: Path, kind: str) -> None:
    """Rows of the old characters stay, in all tensors that have some; then training goes on."""
    run(story, name="base", **FAMILY[kind])
    model = load("base", story.parent / "runs").checkpoint
    # As many old characters as this, and as many labels, are no rows of one another.
    greek = "\n".join("ΑΒΓ" * 9 for _ in range(12)) + "\n"
    other = write(story.parent / "greek.txt", STORY + greek)
    made = trainer(other, base="base", **FAMILY[kind] | {"steps": 3})
    old = len(model.vocabulary)
    now = made.learner.vocabulary
    assert now.characters[:old] == model.vocabulary.characters
    assert set("ΑΒΓ") <= set(now.characters[old:])
    for name, had in model.weights.items():
        has = weights(made)[name]
        if name.startswith("ngrams"):
            assert len(has) >= len(had)
            continue
        kept = rows(name, model.vocabulary, model.architecture.common)
        assert np.array_equal(has[:kept], had[:kept])
        if len(had) in range(kept, kept + 3) and len(has) != len(had):
            grown = len(now) - old if "rare" in name else rows(name, now) - kept
            assert len(has) == len(had) + grown
            assert np.array_equal(has[kept + grown :], had[kept:])
        else:
            assert has.shape == had.shape
    assert list(made)[-1].event == "done"


def test_a_model_goes_on_with_its_own_task(story: Path) -> None:
    """What a model is for need not be said again; a new label gets room in its chain."""
    base, _ = run(story, name="base", **FAMILY["tags"])
    lines = (f"{n}{line}\t0-1:N,1-4:Z\n" for n, line in enumerate(STORY.splitlines()))
    made = trainer(write(story.parent / "more.tsv", "".join(lines)), base="base")
    before, now = (one.learner.vocabulary.marking for one in (base, made))
    assert before is not None
    assert now is not None
    assert now.marks == (*before.marks, "B-Z", "I-Z")
    had, has = (weights(one)["transition.weight"] for one in (base, made))
    old = len(before.marks)
    assert np.array_equal(has[:old, :old], had[:old])
    assert np.array_equal(has[-1, :old], had[-1])
    assert list(made)[-1].event == "done"


@pytest.mark.parametrize(
    ("kind", "more"), [("pairs", {"columns": "target,source"}), ("undo", {}), ("noise", {})]
)
def test_a_task_goes_on_as_it_began(story: Path, kind: str, more: dict[str, str]) -> None:
    """The form of pairs, and the damage that is undone, are those of the model."""
    base, _ = run(story, name="base", **FAMILY[kind] | more)
    source = story.parent / "pairs.tsv" if kind == "pairs" else story
    made = trainer(source, base="base", steps=3)
    for name in ("symbols", "marking"):
        had, has = (getattr(one.learner.vocabulary, name) for one in (base, made))
        assert has == had
    assert made.learner.network.architecture == base.learner.network.architecture


def test_a_failed_start_leaves_no_run_behind(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that is refused or interrupted before training leaves no folder."""
    with pytest.raises(UsageError, match="`tied` needs equal sizes"):
        trainer(story, tied=True)
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="no cuda device"):
            trainer(story, device="cuda")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chargen.training.loop.Trainer.__init__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer(story)
    assert not list((story.parent / "runs").glob("*"))


@posix_only
def test_a_run_is_held_before_it_is_read(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is locked before it is read, so that nobody else can resume it in between."""
    made, _ = run(story)
    assert made.run is not None
    plain = checkpoint.read

    def read(path: Path, **options: Any) -> Checkpoint:
        with pytest.raises(RunError, match="by another process"):
            Run(path.parent).lock()
        return plain(path, **options)

    monkeypatch.setattr(checkpoint, "read", read)
    again = trainer(story, resume=True, steps=42)
    assert again.learner.counters.step == 40
    assert again.lock is not None
    again.lock.release()


def test_a_name_that_is_no_utf8_is_kept_as_text(tmp_path: Path) -> None:
    """The run of a file with an odd name can be read like any other."""
    try:
        odd = write(tmp_path / os.fsdecode(b"caf\xe9.txt"), STORY)
    except OSError:
        pytest.skip("this system has no such names")
    made, _ = run(odd, name="odd", steps=2)
    assert load(made.run.best).checkpoint.corpus_names == ["caf?.txt"]  # type: ignore[union-attr]


def test_a_resumed_run_needs_the_whole_optimizer(story: Path) -> None:
    """A checkpoint without the optimizer's moments is refused, not resumed with fresh ones."""
    made, _ = run(story)
    saved = checkpoint.read(made.run.last, resume=True)  # type: ignore[union-attr]
    tensors = {k: v for k, v in saved.tensors.items() if not k.startswith("optimizer.output.bias")}
    checkpoint.write(made.run.last, replace(saved, tensors=tensors))  # type: ignore[union-attr]
    with pytest.raises(RunError, match=r"lacks or mistakes 'optimizer\.output\.bias"):
        trainer(story, resume=True, steps=50)


def test_bytes_train_and_score(story: Path) -> None:
    """A model of bytes is trained on bytes, and scored in bytes."""
    _, reports = run(story, as_bytes=True, steps=5)
    valid = reports[-1].data["valid"]
    assert valid["bpc"] == pytest.approx(valid["bits_per_byte"])
    assert load("story", story.parent / "runs").checkpoint.vocabulary.as_bytes


def test_a_device_that_is_not_there_is_refused() -> None:
    """The error names the device."""
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(TrainingError, match="no cuda device"):
        pick_device("cuda")


def test_bf16_is_chosen_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor's own flags decide; what was asked for is kept."""
    cpu = torch.device("cpu")
    for probe in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, probe, lambda: False)
    assert pick_precision("auto", cpu) == "fp32"
    assert pick_precision("bf16", cpu) == "bf16"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert pick_precision("auto", cpu) == "bf16"
