"""The command `marketfeed-operator`: from MarketFeeds to shards, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Annotated

import typer

from marketfeed.addresses import host_and_port
from marketfeed_operator.access import NoClusterError
from marketfeed_operator.lease import LostError
from marketfeed_operator.runtime import AddressError, Settings, operate

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def address(text: str) -> tuple[str, int]:
    """(host, port) of HOST:PORT. Raises `typer.BadParameter`."""
    try:
        return host_and_port(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text}: {error}") from None


def command(
    namespace: Annotated[list[str] | None, typer.Option(help="Watch this namespace; may be repeated. Default: all.")] = None,
    shard_image: Annotated[str, typer.Option(help="Image of the shards.")] = "localhost/marketfeed-shard:latest",
    shard_image_pull_policy: Annotated[
        str | None, typer.Option(help="Always, IfNotPresent or Never. Default: by the image's tag.")
    ] = None,
    lease_namespace: Annotated[
        str | None, typer.Option(help="Where operators agree on who acts. Default: this pod's, else the first that is watched.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(help="HOST:PORT of /healthz, /readyz and /metrics. Default: 0.0.0.0:8080 if it is free.")
    ] = None,
) -> None:
    """Turn MarketFeeds into running shards and their health into status.

    The API server is that of KUBECONFIG's current context, else of this pod's service account, else of ~/.kube/config.
    """
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO, stream=sys.stderr)
    settings = Settings(
        namespaces=tuple(sorted(set(namespace or ()))),
        shard_image=shard_image,
        shard_image_pull_policy=shard_image_pull_policy,
        lease_namespace=lease_namespace,
        http=address(http) if http is not None else None,
    )
    try:
        asyncio.run(operate(settings))
    except (NoClusterError, AddressError) as error:
        typer.echo(f"marketfeed-operator: {error}", err=True)
        raise typer.Exit(2) from None
    except LostError as error:
        typer.echo(f"marketfeed-operator: {error}", err=True)
        raise typer.Exit(1) from None


def main() -> None:
    """Entry point."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app()


if __name__ == "__main__":
    main()
