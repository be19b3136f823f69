"""SQS's standard queue, by the virtual clock: hidden for a while when received, dead after too many receives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.functions.simulation.effects import Effects, aws_error

VISIBILITY_TIMEOUT_S = 362.0  # template.yaml
DAY_S = 86_400.0
KEPT_S = 10 * DAY_S  # template.yaml; then SQS deletes a message, without a dead letter
DEAD_LETTERS_KEPT_S = 14 * DAY_S


@dataclass
class Sent:
    """A message on its way: on the queue, deleted, or dead."""

    message_id: str
    body: str
    sent_s: float
    attributes: dict[str, Any] = field(default_factory=dict)
    received_s: list[float] = field(default_factory=list)
    hidden_until_s: float = 0.0
    deleted: bool = False
    died: bool = False  # SQS itself moved it to the dead-letter queue
    expired: bool = False

    def expire(self) -> None:
        """SQS has had it for too long."""
        self.expired = True

    @property
    def receives(self) -> int:
        return len(self.received_s)


class StandardQueue:
    """All messages that were ever sent to it, in the order of their sending, which is not that of their delivery."""

    def __init__(self, url: str, at: Callable[[float, Callable[[], None]], None], *, kept_s: float = KEPT_S) -> None:
        self.url = url
        self._at = at
        self._kept_s = kept_s
        self.sent: list[Sent] = []

    @property
    def messages(self) -> list[Sent]:
        """Those that are still there."""
        return [message for message in self.sent if not (message.deleted or message.died or message.expired)]

    def visible(self, now_s: float) -> list[Sent]:
        return [message for message in self.messages if message.hidden_until_s <= now_s]

    def send(self, body: str, now_s: float, attributes: dict[str, Any] | None = None) -> Sent:
        message = Sent(f"m{len(self.sent)}", body, now_s, attributes or {})
        self.sent.append(message)
        self._at(now_s + self._kept_s, message.expire)
        return message

    def hide(self, message: Sent, until_s: float) -> None:
        message.hidden_until_s = until_s
        self._at(until_s, lambda: None)

    def by_receipt(self, handle: str) -> Sent:
        """An old receipt is as good as the newest: SQS promises neither."""
        return self.sent[int(handle.partition("/")[0].removeprefix("m"))]


class SqsFake:
    """A client of the queues."""

    def __init__(self, world: Effects, *queues: StandardQueue) -> None:
        self._world, self._queues = world, {queue.url: queue for queue in queues}

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MessageBody: str,  # noqa: N803
        MessageAttributes: dict[str, Any] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        queue = self._queues[QueueUrl]
        sent = self._world.effect(
            "sqs.send_message", lambda: queue.send(MessageBody, self._world.now_s, MessageAttributes)
        )
        return {"MessageId": sent.message_id}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> dict[str, Any]:  # noqa: N803
        queue = self._queues[QueueUrl]
        message = queue.by_receipt(ReceiptHandle)

        def change() -> None:
            if message.deleted or message.died or message.hidden_until_s <= self._world.now_s:
                raise aws_error("ChangeMessageVisibility", "MessageNotInflight")
            queue.hide(message, self._world.now_s + VisibilityTimeout)

        self._world.effect("sqs.change_message_visibility", change)
        return {}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        queue = self._queues[QueueUrl]

        def change() -> dict[str, Any]:
            failed = []
            for entry in Entries:
                message = queue.by_receipt(entry["ReceiptHandle"])
                if message.deleted or message.died or message.hidden_until_s <= self._world.now_s:
                    failed.append({"Id": entry["Id"], "Code": "MessageNotInflight", "SenderFault": True})
                else:
                    queue.hide(message, self._world.now_s + entry["VisibilityTimeout"])
            return {"Failed": failed}

        return self._world.effect("sqs.change_message_visibility", change)

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: tuple[str, ...]) -> dict[str, Any]:  # noqa: N803
        queue = self._queues[QueueUrl]

        def count() -> dict[str, str]:
            visible = len(queue.visible(self._world.now_s))
            hidden = len(queue.messages) - visible
            counts = {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": hidden}
            return {name: str(counts.get(name, 0)) for name in AttributeNames}

        return {"Attributes": self._world.effect("sqs.get_queue_attributes", count)}
