"""The page about Python, made from the docstrings: ``python -m tests.reference`` writes it."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

from chargen import Model, Sample, Score, blend, load, train
from chargen.tasks.comparing import Memory
from chargen.tasks.guessing import Guess, Told
from chargen.tasks.mending import Mended
from chargen.tasks.restoring import Restoration
from chargen.tasks.sampling import How
from chargen.tasks.tagging import Marked
from chargen.tasks.translating import Written

PAGE = Path(__file__).parent.parent / "docs" / "python.md"

OPENING = """# From Python

```sh
python -c "import chargen; print(chargen.load('starter').sample(200, temp=0.8))"
```

Loading, sampling and scoring work without PyTorch. It is loaded only to score a long text
(60,000 characters or more for an LSTM of 512), because it is faster then. Errors are exceptions:
`chargen.ChargenError` and its classes. They speak of arguments. A model can be used from several
threads at once, and after a fork. A notebook shows a model as a table of its figures. Without a
`seed`, each call writes another text, as the command line does; `samples` tells the seeds.

```python
import chargen

model = chargen.load("starter")
for piece in model.stream(200, prime="ROMEO:", temp=0.8):  # as it is drawn
    print(piece, end="")
best = min(model.samples(80, count=20), key=lambda sample: sample.nats_per_char)
print(best.text, best.seed)
print(model.nats("To be, or not to be").round(2))  # what each character costs
print(model.states("To be").shape)  # (layers, characters, units)
```

What follows is made from the docstrings.
"""

METHODS = (
    "sample", "samples", "stream", "items", "longest_copy", "restore", "classify", "translate",
    "mend", "tag", "perplexity", "adapt", "nats", "surprise", "states", "attention", "compare",
    "compress", "decompress", "info", "save",
)  # fmt: skip
FUNCTIONS = (load, train, blend)
RECORDS = (How, Sample, Score, Restoration, Guess, Told, Written, Mended, Marked, Memory)


def page() -> str:
    """Return the page."""
    parts = [OPENING]
    parts += [entry(f"chargen.{function.__name__}", function) for function in FUNCTIONS]
    parts.append("## A model\n")
    parts += [entry(f"model.{name}", getattr(Model, name)) for name in METHODS]
    parts.append("## What comes back, and how to write\n")
    parts += [f"### {record.__name__}\n\n{described(record)}" for record in RECORDS]
    return "\n".join(parts)


def entry(name: str, function: Any) -> str:
    """Return a heading, how to call a function, and what it does."""
    signature = inspect.signature(function)
    given = [one for one in signature.parameters.values() if one.name != "self"]
    called = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature.replace(parameters=given)))
    lines = textwrap.wrap(f"{name}{called}", 100, subsequent_indent="    ", break_long_words=False)
    code = "\n".join(lines)
    return f"### {name}\n\n```python\n{code}\n```\n\n{described(function)}"


def described(thing: Any) -> str:
    """Return a docstring as Markdown."""
    made = []
    for block in (inspect.getdoc(thing) or "").split("\n\n"):
        head, _, body = block.partition("\n")
        if head in ("Args:", "Attributes:", "Raises:"):
            items = re.split(r"\n(?=\S)", textwrap.dedent(body))
            rows = [" ".join(item.split()) for item in items]
            shown = [f"- `{row.replace(': ', '`: ', 1)}" for row in rows]
            made.append(f"*{head[:-1]}*\n\n" + "\n".join(shown))
        elif head == "Example:":
            made.append(
                f"```python\n{textwrap.dedent(body).replace('  # doctest: +SKIP', '')}\n```"
            )
        elif head == "Returns:":
            made.append(f"*Returns* {' '.join(body.split())}")
        else:
            made.append(" ".join(block.split()))
    # In docstrings, code stands between double backticks.
    return re.sub(r"(?<!`)``(?!`)", "`", "\n\n".join(made)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
