"""The command `marketfeed`: one file per subcommand beside this one."""

from __future__ import annotations

import typer

from marketfeed_cli.bench import bench
from marketfeed_cli.demo import demo
from marketfeed_cli.normalize import normalize

app = typer.Typer(
    name="marketfeed",
    help="Market data from many crypto exchanges, complete, ordered and fast.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(bench)
app.command()(demo)
app.command()(normalize)


def main() -> None:
    """Entry point."""
    app()
