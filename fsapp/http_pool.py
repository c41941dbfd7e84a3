"""Connections to addresses that others look after, kept for the next question. Asks nothing itself.

Whoever answers with interim answers only (100 Continue), as fast as they are read, would have nobody else come to
their turn, not even the time limit: a few of them are borne.
"""

from __future__ import annotations

import http.client
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

__all__ = ["pool"]

_INTERIM = 10


class _Response(http.client.HTTPResponse):
    _begun = 0

    def _read_status(self) -> Any:
        self._begun += 1
        if self._begun > _INTERIM:
            raise http.client.HTTPException("nothing but interim answers")
        return super()._read_status()  # type: ignore[misc]


class _Connection(HTTPConnection):
    response_class = _Response


class _SafeConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SafePool(HTTPSConnectionPool):
    ConnectionCls = _SafeConnection


def pool(hosts: int, at_once: int) -> urllib3.PoolManager:
    """For so many hosts, with so many connections kept to each; nothing is tried twice."""
    made = urllib3.PoolManager(num_pools=hosts, maxsize=at_once, retries=False)
    made.pool_classes_by_scheme = {"http": _Pool, "https": _SafePool}
    return made
