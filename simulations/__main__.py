"""`python -m simulations` is the command line, as `paceline` is."""

from simulations.cli import main

main()
