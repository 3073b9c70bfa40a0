"""`python -m genret_ops.cli`."""

from genret_ops.cli import main

main()
