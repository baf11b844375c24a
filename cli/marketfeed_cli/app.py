"""The command `marketfeed` put together: one file per subcommand beside this one."""

from __future__ import annotations

import typer

from marketfeed_cli.bench import bench
from marketfeed_cli.demo import demo
from marketfeed_cli.instruments import instruments
from marketfeed_cli.normalize import normalize
from marketfeed_cli.plan import plan
from marketfeed_cli.run import run
from marketfeed_cli.simulate import simulate
from marketfeed_cli.validate import validate

app = typer.Typer(
    name="marketfeed",
    help="Market data from many crypto exchanges, complete, ordered and fast.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(bench)
app.command()(demo)
app.command()(instruments)
app.command()(normalize)
app.command()(plan)
app.command()(run)
app.command()(simulate)
app.command()(validate)
