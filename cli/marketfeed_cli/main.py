"""The command `marketfeed`: one file per subcommand beside this one."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="marketfeed",
    help="Market data from many crypto exchanges, complete, ordered and fast.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point."""
    app()
