"""The command line of the proxy."""

from __future__ import annotations

import argparse
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.bundle import MAX_IMAGES

DRAIN_S = 60.0
MIB = 2**20
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s*A-Z]+").fullmatch


class WrongOption(Exception):
    """A value that cannot be: a sentence for the person."""


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True)
class Options:
    """The settings of one proxy."""

    model_store: Path
    models: tuple[str, ...]  # NAME=FILE.mar
    listen: Address
    metrics: Address
    management_port: int | None
    home: Path
    token_file: Path | None
    batch_images: int | None  # None: by the machine
    queue_images: int
    queue_bytes: int
    workers: int | None  # None: by the machine
    drain_s: float
    connections: int
    allow_origins: tuple[str, ...]

    @property
    def model_names(self) -> tuple[str, ...]:
        """NAME of each model."""
        return tuple(model.partition("=")[0] for model in self.models)

    @property
    def files(self) -> dict[str, str]:
        """FILE.mar by NAME."""
        return {name: file for name, _, file in (model.partition("=") for model in self.models)}


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line. Raises WrongOption for a value that cannot be."""
    given = _parser().parse_args(arguments)
    options = Options(
        model_store=given.model_store.resolve(),
        models=tuple(given.models),
        listen=_address(given.listen),
        metrics=_address(given.metrics),
        management_port=given.management_port,
        home=given.home.resolve(),
        token_file=given.token_file,
        batch_images=given.batch_images,
        queue_images=given.queue_images,
        queue_bytes=given.queue_mib * MIB,
        workers=given.workers,
        drain_s=given.drain_s,
        connections=given.connections,
        allow_origins=tuple(given.allow_origin),
    )
    _check(options, unguarded=given.no_token, metrics_unguarded=given.no_token or given.metrics_unguarded)
    return options


def _check(options: Options, *, unguarded: bool, metrics_unguarded: bool) -> None:
    for model in options.models:
        name, _, file = model.partition("=")
        if not name or not (options.model_store / file).is_file() or not file:
            raise WrongOption(f"--models {model}: expected NAME=FILE.mar, with a file in {options.model_store}.")
    for origin in options.allow_origins:
        if origin != "*" and not _ORIGIN(origin):
            raise WrongOption(
                f"--allow-origin {origin}: expected an origin as browsers send it, such as https://shop.example.com or "
                "http://localhost:3000, without a path, or * for any page."
            )
    if not options.listen.is_loopback and options.token_file is None and not unguarded:
        raise WrongOption(
            f"--listen {options.listen.host} is reached by others: give them tokens with --token-file FILE, "
            "or say with --no-token that something else guards it, such as a security group or a proxy."
        )
    if not options.metrics.is_loopback and not metrics_unguarded:
        raise WrongOption(
            f"--metrics {options.metrics.host} is reached by others, and that page asks for no token: "
            "say with --metrics-unguarded that something else guards it."
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="proxy", description="Start TorchServe and serve its models in batches.")
    add = parser.add_argument
    add("--model-store", type=Path, required=True, metavar="DIR", help="the folder of the archives")
    add("--models", nargs="+", required=True, metavar="NAME=FILE.mar", help="what to serve")
    add("--listen", default="127.0.0.1:8080", metavar="HOST:PORT", help="where images are taken (%(default)s)")
    add("--metrics", default="127.0.0.1:8082", metavar="HOST:PORT", help="Prometheus' page (%(default)s)")
    add(
        "--metrics-unguarded",
        action="store_true",
        help="something else guards Prometheus' page, which asks for no token",
    )
    add("--management-port", type=_number, metavar="PORT", help="TorchServe's own, on loopback (any free one)")
    add("--home", type=Path, default=Path(".podium/torchserve"), metavar="DIR", help="logs and temporary files")
    tokens = parser.add_mutually_exclusive_group()
    tokens.add_argument("--token-file", type=Path, metavar="FILE", help="bearer tokens, one per line")
    tokens.add_argument("--no-token", action="store_true", help="something else guards both addresses")
    add("--batch-images", type=_batch, metavar="N", help="images in one group, 1 to 64 (4, or 64 with a GPU)")
    add("--queue-images", type=_number, default=256, metavar="N", help="images that fill the queue (%(default)s)")
    add("--queue-mib", type=_number, default=1024, metavar="N", help="MiB of images in memory (%(default)s)")
    add("--workers", type=_number, metavar="N", help="workers of each model (see docs/model-server.md)")
    add("--drain-s", type=float, default=DRAIN_S, metavar="S", help="seconds to answer what is there when stopped")
    add("--connections", type=_number, default=1024, metavar="N", help="open connections of clients (%(default)s)")
    add(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let a browser page of ORIGIN, or *, send images",
    )
    return parser


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise WrongOption(f"{text!r} is no address. Write HOST:PORT, such as 127.0.0.1:8080.")
    return Address(host.strip("[]"), int(port))


def _number(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _batch(text: str) -> int:
    if _number(text) > MAX_IMAGES:
        raise argparse.ArgumentTypeError(f"{text} is more than the {MAX_IMAGES} images of one tar")
    return int(text)
