"""Dollars of a Lambda invocation: the one place for this arithmetic."""

from __future__ import annotations

from podium.costs.prices import PriceList
from podium.planned.resources import Resource

MB_A_GB = 1024
FREE_STORAGE_MB = 512  # of /tmp


def invocation_dollars(
    prices: PriceList,
    seconds: float,
    memory_mb: float,
    *,
    storage_mb: float = FREE_STORAGE_MB,
    architecture: str = "x86_64",
) -> float:
    """One invocation that is billed for so many seconds: its memory, its /tmp beyond 512 MB, and the request."""
    storage_gb = max(0.0, storage_mb - FREE_STORAGE_MB) / MB_A_GB
    a_second = memory_mb / MB_A_GB * prices.lambda_gb_seconds(architecture).each
    a_second += storage_gb * prices.lambda_storage_gb_seconds.each
    return seconds * a_second + prices.lambda_requests.each


def dollars_of(prices: PriceList, function: Resource, seconds: float) -> float:
    """One invocation of a function of a template."""
    properties = function.properties
    return invocation_dollars(
        prices,
        seconds,
        properties["MemorySize"],
        storage_mb=properties.get("EphemeralStorage", {}).get("Size", FREE_STORAGE_MB),
        architecture=properties.get("Architectures", ["x86_64"])[0],
    )
