from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from redis_server import free_port

from marketfeed_operator.cluster import Cluster
from marketfeed_operator.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NoReportError,
    NotFoundError,
    UnavailableError,
    UnreachableError,
)
from marketfeed_operator.kinds import CONFIG_MAP, DEPLOYMENT, FEED, POD

CHILD = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}, "data": {"k": "v"}}
RUNNING: dict[str, Any] = {"metadata": {"name": "p", "namespace": "ns"}, "status": {"podIP": "127.0.0.1"}}


class Server:
    """Answers all requests as it is told, and keeps them."""

    def __init__(self) -> None:
        self.port = free_port()
        self.status, self.body = 200, b"{}"
        self.hangs = False
        self.asked: list[tuple[str, str, dict[str, str], str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        content_type = request.headers.get("Content-Type", "")
        sent = orjson.loads(body) if body else None
        self.asked.append((request.method, request.raw_path.partition("?")[0], dict(request.query), content_type, sent))
        if self.hangs:
            await asyncio.sleep(1.0)
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", made.port).start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def cluster(server: Server) -> AsyncIterator[Cluster]:
    config = Configuration()
    config.host = f"http://127.0.0.1:{server.port}"
    config.api_key["BearerToken"] = "Bearer secret"
    made = Cluster(config, in_cluster=False)
    yield made
    await made.close()


async def test_children_and_status_are_applied_by_managers_of_their_own(server: Server, cluster: Cluster) -> None:
    await cluster.apply(CHILD)
    feed = {"apiVersion": FEED.api_version, "kind": FEED.name, "metadata": {"name": "f", "namespace": "ns"}, "status": {}}
    await cluster.apply_status(feed)
    strictly = {"force": "true", "fieldValidation": "Strict"}
    apply = "application/apply-patch+yaml"
    assert server.asked == [
        ("PATCH", "/api/v1/namespaces/ns/configmaps/a", {"fieldManager": "marketfeed-operator", **strictly}, apply, CHILD),
        (
            "PATCH",
            "/apis/marketfeed.dev/v1alpha1/namespaces/ns/marketfeeds/f/status",
            {"fieldManager": "marketfeed-operator-status", **strictly},
            apply,
            feed,
        ),
    ]


async def test_objects_are_listed_by_label_in_one_namespace_or_in_all(server: Server, cluster: Cluster) -> None:
    server.body = b'{"items": [{"metadata": {"name": "a"}}]}'
    assert await cluster.list(DEPLOYMENT, "ns", "marketfeed.dev/feed=f") == [{"metadata": {"name": "a"}}]
    await cluster.list(FEED, None)
    assert [(path, query) for _, path, query, _, _ in server.asked] == [
        ("/apis/apps/v1/namespaces/ns/deployments", {"labelSelector": "marketfeed.dev/feed=f"}),
        ("/apis/marketfeed.dev/v1alpha1/marketfeeds", {}),
    ]


async def test_an_object_is_deleted_only_if_it_is_this_very_one(server: Server, cluster: Cluster) -> None:
    await cluster.delete(CONFIG_MAP, "ns", "a", "uid-1")
    assert server.asked[0][4] == {"propagationPolicy": "Background", "preconditions": {"uid": "uid-1"}}
    server.status = 404
    await cluster.delete(CONFIG_MAP, "ns", "a", "uid-1")
    await cluster.annotate(POD, "ns", "p", {"a": "b"})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (418, ClusterError),
        (422, InvalidError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
async def test_errors_are_of_a_few_kinds_with_the_servers_words(
    server: Server, cluster: Cluster, status: int, kind: type[ClusterError]
) -> None:
    server.status, server.body = status, b'{"kind": "Status", "message": "because\\nof this"}'
    with pytest.raises(ClusterError) as caught:
        await cluster.get(CONFIG_MAP, "ns", "a")
    assert type(caught.value) is kind
    assert str(caught.value) == "GET /api/v1/namespaces/ns/configmaps/a: because of this"


async def test_without_an_api_server_it_is_unreachable(server: Server, cluster: Cluster) -> None:
    cluster.config.host = f"http://127.0.0.1:{free_port()}"
    for call in (cluster.get(CONFIG_MAP, "ns", "a"), cluster.report(RUNNING), cluster.apply(CHILD)):
        with pytest.raises(UnreachableError):
            await call


async def test_a_report_comes_through_the_api_server_from_outside(server: Server, cluster: Cluster) -> None:
    server.body = b'{"shard": "s"}'
    assert await cluster.report(RUNNING) == {"shard": "s"}
    assert server.asked[0][:2] == ("GET", "/api/v1/namespaces/ns/pods/http:p:8080/proxy/status")
    server.status, server.body = 503, b'{"message": "connection refused"}'
    with pytest.raises(NoReportError, match="cannot be read: connection refused"):
        await cluster.report(RUNNING)
    for body in (b"[]", b"<html>"):
        server.status, server.body = 200, body
        with pytest.raises(NoReportError):
            await cluster.report(RUNNING)


async def test_a_pod_that_hangs_is_not_taken_for_an_api_server_that_is_away(
    server: Server, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketfeed_operator.cluster.STATUS_TIMEOUT_S", 0.05)
    server.hangs = True
    with pytest.raises(NoReportError, match="in time"):
        await cluster.report(RUNNING)


async def test_a_report_comes_from_the_pod_itself_inside(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketfeed_operator.cluster.HTTP_PORT", server.port)
    cluster = Cluster(Configuration(), in_cluster=True)
    server.body = b'{"shard": "s"}'
    assert await cluster.report(RUNNING) == {"shard": "s"}
    assert server.asked[0][:2] == ("GET", "/status")
    server.status = 500
    with pytest.raises(NoReportError, match="answered 500"):
        await cluster.report(RUNNING)
    monkeypatch.setattr("marketfeed_operator.cluster.HTTP_PORT", free_port())
    with pytest.raises(NoReportError, match="cannot be reached"):
        await cluster.report(RUNNING)
    await cluster.close()
