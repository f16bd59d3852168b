"""What has been trained: each run's network, score and state, and how to go on with it."""

from __future__ import annotations

import datetime
import html
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chargen import checkpoint, runs
from chargen.checkpoint import Checkpoint
from chargen.errors import CheckpointError
from chargen.runs import STARTER, Run

FINISHED, INTERRUPTED, RUNNING, MODEL = "finished", "interrupted", "running", "model"
"""States of a run; a folder that holds a model and nothing to go on with is only a model."""


def listing(
    out: Path, unsound: Callable[[str, CheckpointError], None] | None = None
) -> list[dict[str, Any]]:
    """Return a record for each run in a folder, newest first, and one for the starter model.

    Args:
        unsound: called with the name of each run whose model cannot be read, and the reason.
    """
    starter = Run(STARTER)
    rows = []
    for run in runs.runs(out) + ([starter] if starter.model.exists() else []):
        try:
            rows.append(about(run, out))
        except CheckpointError as error:
            if unsound is not None:
                unsound(run.name, error)
    return rows


def about(run: Run, out: Path) -> dict[str, Any]:
    """Return what a list of runs says of one.

    Raises:
        CheckpointError: its model cannot be read.
    """
    saved = checkpoint.read(run.model, weights=False)
    now = state(run)
    return {
        "model": run.name,
        "state": now,
        "evaluated": run.best.exists(),
        "next": go_on(run, now, out),
        **summary(saved),
        "path": str(run.model),
        "when": datetime.datetime.fromtimestamp(run.touched()).isoformat(" ", "minutes"),
    }


def summary(saved: Checkpoint) -> dict[str, Any]:
    """Return what a checkpoint says of itself in a list of runs.

    ``metric`` is the key of its first figure, and ``value`` that figure.
    """
    metric, figures, names = saved.architecture.kind.metric, saved.figures, saved.corpus_names
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return {
        "kind": saved.architecture.kind.name,
        "network": str(saved.architecture),
        "parameters": saved.parameters,
        "corpus": names[0] + more if names else None,
        "metric": metric.headline,
        "value": figures.get(metric.headline),
        "perplexity": figures.get("perplexity"),
        "bpc": figures.get("bpc"),
        "seconds": figures.get("seconds"),
        "step": figures.get("step"),
    }


def document(name: str, path: Path, saved: Checkpoint) -> dict[str, Any]:
    """Return all that is known of one model."""
    vocabulary = saved.vocabulary
    return {
        "model": name,
        "path": str(path),
        "kind": saved.architecture.kind.name,
        "network": str(saved.architecture),
        "architecture": saved.architecture.json(),
        "parameters": saved.parameters,
        "vocabulary": {
            "size": len(vocabulary),
            "as_bytes": vocabulary.as_bytes,
            "escape": vocabulary.escape,
            "characters": vocabulary.characters,
        }
        | checkpoint.described(vocabulary),
        "corpus": saved.corpus,
        "labels": list(saved.labels),
        "settings": saved.settings,
        "figures": saved.figures,
        "history": saved.history,
    }


def as_html(about: Mapping[str, Any]) -> str:
    """Return a document as a table in HTML: the figures, and what leads to them."""
    figures = {key: f"{one:.4g}" for key, one in about["figures"].items() if type(one) is float}
    shown = {key: str(about[key]) for key in ("model", "network", "parameters", "path")} | figures
    rows = "".join(
        f"<tr><th scope='row'>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>"
        for key, value in shown.items()
    )
    return f"<table>{rows}</table>"


def state(run: Run) -> str:
    """Return whether a run has finished, was interrupted, or is being trained just now."""
    if run.locked():
        return RUNNING
    if not run.last.exists():
        return MODEL
    ended = checkpoint.read(run.last, weights=False).training
    return FINISHED if ended.get("concluded") is True else INTERRUPTED


def go_on(run: Run, now: str, out: Path) -> str:
    """Return the command that goes on with a run."""
    name = shlex.quote(run.name)
    at = "" if out == runs.default_out() else f" --out {shlex.quote(str(out))}"
    if now == INTERRUPTED:
        return f"chargen train --resume --name {name}{at}"
    if now == FINISHED:
        return f"chargen train --resume --name {name} --minutes M{at}"
    return "" if now == RUNNING else f"chargen train CORPUS --from {name}{at}"
