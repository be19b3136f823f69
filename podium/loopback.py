"""Requests to this machine's own servers: no proxy of the person's network lies between."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse

HOSTS = ("127.0.0.1", "localhost", "::1")
NAMES = ("NO_PROXY", "no_proxy")  # some programs read only the one, some only the other


def request_here(url: str, *, timeout_s: float, tls: ssl.SSLContext | None = None) -> HTTPResponse:
    """The response of a server on loopback; raises what urlopen raises, such as HTTPError for a status of 400 or above."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    response: HTTPResponse = opener.open(url, timeout=timeout_s)
    return response


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables with which programs go to loopback without a proxy, and to all other hosts as before."""
    given = {name: environment.get(name, "").strip() for name in NAMES}
    either = next(filter(None, given.values()), "")
    return {name: _with_loopback(value or either) for name, value in given.items()}


def _with_loopback(hosts: str) -> str:
    """`*`, which is every host, counts only alone."""
    known = [host.strip() for host in hosts.split(",") if host.strip()]
    return hosts if known == ["*"] else ",".join([*known, *(host for host in HOSTS if host not in known)])
