"""What a shell offers for a word that is begun: names of models, and of runs."""

from __future__ import annotations

from pathlib import Path

import typer

from chargen.names import STARTER


def models(context: typer.Context, incomplete: str) -> list[str]:
    """Return the models whose names begin so: runs, and the starter model."""
    return [name for name in [*_runs(context), STARTER] if name.startswith(incomplete)]


def trained(context: typer.Context, incomplete: str) -> list[str]:
    """Return the runs whose names begin so."""
    return [name for name in _runs(context) if name.startswith(incomplete)]


def _runs(context: typer.Context) -> list[str]:
    """Return the runs of the folder that the command line names, or of the usual one."""
    # Not for those who only want help.
    from chargen.runs import default_out, runs

    return [run.name for run in runs(Path(context.params.get("out") or default_out()))]
