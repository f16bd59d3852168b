"""The command line: one command a file. No logic of its own.

Data goes to standard output, everything meant for eyes to standard error. Heavy imports are inside
the commands, so that ``--help`` prints at once and only ``train`` pays for PyTorch.
"""

from chargen.cli import (
    classify,
    compare,
    compress,
    corpus,
    export,
    novelty,
    perplexity,
    plot,
    restore,
    runs,
    sample,
    serve,
    surprise,
    tag,
    train,
    translate,
    write,
)
from chargen.cli.app import app, main

__all__ = [
    "app", "classify", "compare", "compress", "corpus", "export", "main", "novelty", "perplexity",
    "plot", "restore", "runs", "sample", "serve", "surprise", "tag", "train", "translate",
    "write",
]  # fmt: skip
