"""`python -m marketfeed_cli`: the command `marketfeed`, without an installed script."""

from marketfeed_cli.main import main

main()
