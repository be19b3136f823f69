"""A packaged model as a person and as a script read it."""

from __future__ import annotations

from pathlib import Path

from inference.archive.digest import content_sha256
from podium.archives import ArchivedEngine, read_archive
from podium.shown.console import print_json, print_line


def show_archive(archive: Path, *, as_json: bool) -> None:
    """The archive's model, content and engines, on stdout."""
    model, size_bytes, sha256 = read_archive(archive), archive.stat().st_size, content_sha256(archive)
    if as_json:
        facts = {"archive": str(archive), "name": model.name, "version": model.version, "content_sha256": sha256}
        engines = [engine.model_dump(mode="json") for engine in model.engines]
        print_json({**facts, "size_bytes": size_bytes, "engines": engines})
        return
    print_line(f"{archive} ({size_bytes / 1e6:.1f} MB) holds {model.ref}")
    print_line(f"content sha256 {sha256}")
    for engine in model.engines:
        print_line(f"engine {_engine(engine)}")


def _engine(engine: ArchivedEngine) -> str:
    text = f"{engine.engine} {', '.join(engine.precisions)}"
    if engine.agreement is None:
        return text
    return f"{text} (the class of fp32 for {engine.agreement:.1%} of {engine.held_out} validation photos)"
