"""The command line: one command a file."""

from chargen.cli.app import main

__all__ = ["main"]
