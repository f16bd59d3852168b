"""``python -m chargen``."""

from chargen.cli import main

main()
