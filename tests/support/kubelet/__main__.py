"""A kubelet for tests: pods of its node run as local processes. `python -m kubelet --help`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from kubelet.api import Api
from kubelet.node import Node
from kubelet.sandbox import Network


async def _run(options: argparse.Namespace) -> None:
    network = Network(options.bridge, options.gateway, options.prefix_length, options.pods)
    async with Api(options.kubeconfig) as api:
        node = asyncio.create_task(Node(api, options.name, options.version, network, options.folder).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, node.cancel)
        await asyncio.wait({node})
        if not node.cancelled():
            node.result()


def main() -> None:
    """Until SIGTERM."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    parser = argparse.ArgumentParser(prog="kubelet", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the node")
    parser.add_argument("--version", required=True, help="of Kubernetes, as the node tells it")
    parser.add_argument("--bridge", required=True, help="the interface that pods are joined to")
    parser.add_argument("--gateway", type=IPv4Address, required=True, help="address of the bridge")
    parser.add_argument("--prefix-length", type=int, required=True, help="of the bridge's network")
    parser.add_argument("--pods", type=IPv4Network, required=True, help="addresses for the node, the first, and its pods")
    parser.add_argument("--folder", type=Path, required=True, help="for volumes and logs")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
