"""``python -m maskery``."""

from maskery.cli.main import main

main()
