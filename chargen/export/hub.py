"""A model as a folder that the Hugging Face hub takes: its file, what it is, and a card.

There is no code in it. ``model.safetensors`` is the model's own file, which chargen loads as it
is.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

from chargen import checkpoint
from chargen.checkpoint import Checkpoint
from chargen.errors import RunError
from chargen.files import finite, reason
from chargen.tasks import listing

MODEL, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


def write(saved: Checkpoint, name: str, folder: Path, licence: str | None) -> None:
    """Write a folder with a model, its description and a card.

    Args:
        saved: a model of any kind.
        name: what to call it.
        folder: it must not exist, or be empty.
        licence: of the model, an identifier such as mit; None leaves the field open.

    Raises:
        RunError: the folder has something in it, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} exists already", "Choose another folder, or delete it")
    about = listing.document(name, Path(MODEL), saved)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # All of it is there, or nothing.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as begun:
            inside = Path(begun) / "whole"
            inside.mkdir()
            checkpoint.write(inside / MODEL, saved)
            told = json.dumps(config(about), ensure_ascii=False, indent=2)
            (inside / CONFIG).write_text(told + "\n", encoding="utf-8")
            (inside / CARD).write_text(card(saved, about, licence), encoding="utf-8")
            if folder.exists():
                folder.rmdir()
            shutil.move(inside, folder)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {reason(error)}", "Choose another folder"
        ) from error


def config(about: dict[str, Any]) -> dict[str, Any]:
    """Return what programs can read of a model: kind, sizes, vocabulary, settings, figures."""
    kept = ("kind", "network", "architecture", "parameters", "vocabulary", "corpus", "labels")
    told = {key: about[key] for key in (*kept, "settings", "figures")}
    found: dict[str, Any] = finite({"model_type": "chargen", "library_name": "chargen"} | told)
    return found


def card(saved: Checkpoint, about: dict[str, Any], licence: str | None) -> str:
    """Return the model's card, in Markdown, with what the hub reads at its head."""
    kind = saved.architecture.kind
    head = ["---", "library_name: chargen", "tags: [character-level, chargen]"]
    head += ["pipeline_tag: text-generation"] if kind.continues else []
    head += [f"license: {licence}"] if licence else ["# license: not chosen yet"]
    label = f" --label {saved.labels[0]}" if saved.labels and kind.continues else ""
    corpus = about["corpus"]
    names = ", ".join(corpus.get("names", [])) or "not recorded"
    lines = [
        *head,
        "---",
        "",
        f"# {about['model']}",
        "",
        f"A character-level model that {kind.does}: {about['network']}, "
        f"{about['parameters']:,} parameters, {about['vocabulary']['size']:,} characters.",
        "",
        "## How to load it",
        "",
        "On the command line:",
        "",
        "```sh",
        f"chargen {kind.command} {kind.example.format(name=MODEL, label=label)}",
        "```",
        "",
        "In Python:",
        "",
        "```python",
        "import chargen",
        "",
        f'model = chargen.load("{MODEL}")',
        "```",
        "",
        "Nothing in this folder is code, and loading the file runs nothing.",
        "",
        "## Trained on",
        "",
        f"- Text: {names} (the text itself is not in the model's file)",
        f"- Fingerprint (sha256): `{corpus.get('sha256', 'not recorded')}`",
        f"- Characters: {corpus.get('characters', 0):,}",
        "",
        "## Figures on held-out text",
        "",
        *_figures(about["figures"]),
        "",
        "## Settings",
        "",
        "```json",
        json.dumps(finite(about["settings"]), ensure_ascii=False, indent=2),
        "```",
        "",
        "## Limits",
        "",
        "It imitates its text, and can repeat sentences of it. Nothing that it writes was checked "
        "for truth.",
    ]
    return "\n".join(lines) + "\n"


def _figures(figures: dict[str, Any]) -> list[str]:
    """Return a table of figures, each with its standard error where there is one."""
    rows = []
    for name, value in figures.items():
        if name.endswith("_error") or not isinstance(value, int | float) or isinstance(value, bool):
            continue
        error = figures.get(f"{name}_error")
        told = f"{value:,.4f}" if isinstance(value, float) else f"{value:,}"
        near = isinstance(error, float) and math.isfinite(error)
        rows.append(f"| {name} | {told} | {f'{error:.4f}' if near else ''} |")
    return (
        ["| figure | value | standard error |", "| --- | --- | --- |", *rows] if rows else ["None."]
    )
