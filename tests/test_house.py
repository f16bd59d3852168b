"""The rules of the house that no import shows; `lint-imports` checks the others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import chargen
from chargen import kinds
from chargen.architecture import FAMILIES
from chargen.engine import stack
from chargen.kinds import KINDS, Kind
from chargen.networks import base

PACKAGE = Path(chargen.__file__).parent
REGISTRY = {"kinds.py", "architecture.py", "records.py"}
"""The rows of kinds and families, and what reads them from a header."""

LONGEST = 400
ROWS = {"CAUSAL", "GAPS", "CLASSIFIER", "PAIRS", "TAGGER", "MENDER"}
NETWORKS = {"Causal", "GapFiller", "Classifier", "Transducer", "Marker", "Tagger"}


def sources() -> Iterator[tuple[str, str]]:
    """Yield each module's path below the package, and its text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")


def asks(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that tell kinds or families apart by their names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            words = {side.value for side in sides if isinstance(side, ast.Constant)}
            names = {side.id for side in sides if isinstance(side, ast.Name)}
            if words & {*KINDS, *FAMILIES} or names & {
                "CAUSAL",
                "GAPS",
                "CLASSIFIER",
                "PAIRS",
                "TAGGER",
                "MENDER",
            }:
                yield node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            last = ast.unparse(node.args[-1]) if node.args else ""
            if node.func.id == "isinstance" and last in {
                "Causal",
                "GapFiller",
                "Classifier",
                "Transducer",
            }:
                yield node.lineno


def test_only_the_registry_asks_for_the_kind() -> None:
    """What differs between kinds and families is in their rows; nobody else compares names."""
    found = [
        f"{name}:{line}"
        for name, text in sources()
        if name not in REGISTRY
        for line in asks(ast.parse(text))
    ]
    assert not found
    bad = ast.parse('if a.arch == "lstm" or b is GAPS or isinstance(c, Classifier): pass')
    assert len(list(asks(bad))) == 3


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_reference_of_a_row_is_there(kind: Kind) -> None:
    """A row names its code by strings; each leads to something that can be called."""
    row = (kind.network, kind.evaluate, kind.preview, kind.finish, kind.reader, kind.judge)
    for reference in row:
        assert reference is None or callable(kinds.load(reference))


def test_every_family_has_a_twin() -> None:
    """Each family is there for both engines."""
    assert FAMILIES.keys() == base.LAYERS.keys() == stack.LAYERS.keys()


def test_modules_are_short() -> None:
    """One idea a file: only the compiled code, which must stay together, may be long."""
    long = {name for name, text in sources() if len(text.splitlines()) > LONGEST}
    assert long <= {"kernels.py"}
