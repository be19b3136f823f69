"""Which images of an SQS batch are sent to the model server in one request. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.classify.images import Fetched
from pipeline.contracts import Order

REQUEST_BYTES = 16 * 2**20  # an image above it goes alone

Group = tuple[Fetched, ...]


def groups_of(images: Sequence[Fetched], alone: Collection[Order], most: int) -> list[Group]:
    """The images by the model version that they ask for: `most` of them at most in one request, and the `alone` alone.

    Images whose message was received before are to go alone: one of them may have killed the server for its whole group.
    """
    done: list[Group] = []
    open_groups: dict[str | None, list[Fetched]] = {}
    for image in images:
        if image.order in alone or len(image.data) > REQUEST_BYTES:
            done.append((image,))
            continue
        version = image.order.model.ref if image.order.model else None
        group = open_groups.setdefault(version, [])
        if group and not _has_room(group, image, most):
            done.append(tuple(group))
            group.clear()
        group.append(image)
    return done + [tuple(group) for group in open_groups.values()]


def _has_room(group: Sequence[Fetched], image: Fetched, most: int) -> bool:
    size_bytes = sum(len(it.data) for it in group) + len(image.data)
    return len(group) < most and size_bytes <= REQUEST_BYTES
