"""A shell completes names of models and runs, as bash asks for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("chargen sample -m ", ["tiny", "starter"]),
        ("chargen sample -m t", ["tiny"]),
        ("chargen perplexity a.txt --model st", ["starter"]),
        ("chargen info t", ["tiny"]),
        ("chargen train a.txt --from t", ["tiny"]),
        ("chargen delete ", ["tiny"]),
        ("chargen rename x", []),
        ("chargen sample --out elsewhere -m t", []),
        ("chargen serv", ["serve"]),
    ],
)
def test_names_are_offered(
    environment: dict[str, str], model_file: Path, typed: str, offered: list[str]
) -> None:
    """Runs and the starter model where a model is meant, runs alone where a run is."""
    words = {
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
        "_CHARGEN_COMPLETE": "complete_bash",
    }
    program = Path(sys.executable).with_name("chargen")
    done = subprocess.run(
        [program], env=environment | words, capture_output=True, check=False, timeout=60
    )
    assert done.stdout.decode().split() == offered, done.stderr.decode()
