"""The page about Python says what the docstrings say, and its example runs."""

from __future__ import annotations

import re

import pytest

from tests.reference import METHODS, OPENING, PAGE, page


def test_the_page_is_made_from_the_docstrings() -> None:
    """``python -m tests.reference`` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()
    assert all(f"### model.{name}\n" in page() for name in METHODS)


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands on the page."""
    (code,) = re.findall(r"```python\n(.*?)```", OPENING, re.DOTALL)
    exec(code, {})
    assert "(1, 5, 512)" in capsys.readouterr().out
