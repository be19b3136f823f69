"""The embedded AWS as its root sees it, for what a person would not type: policies, invocations, clocks."""

from __future__ import annotations

import base64
import json
from typing import Any

import boto3

Json = Any


class Root:
    """boto3 clients of the account's root, for the stack that `podium status --json` described."""

    def __init__(self, facts: dict[str, str], secret: str) -> None:
        self.facts = facts
        self._session = boto3.Session("000000000000", secret, region_name=facts["region"])
        self._clients: dict[str, Json] = {}

    def __getattr__(self, service: str) -> Json:
        """`root.s3`, `root.iam`, ...; `lambda` is `root.functions`."""
        if service not in self._clients:
            name = {"functions": "lambda"}.get(service, service)
            self._clients[service] = self._session.client(  # type: ignore[call-overload]
                name, endpoint_url=self.facts["endpoint_url"], verify=self.facts["ca_bundle"]
            )
        return self._clients[service]

    def invoke(self, function: str, event: Json) -> tuple[Json, str]:
        """The function's response and the end of its log; AssertionError when it raised."""
        answer = self.functions.invoke(
            FunctionName=f"{self.facts['stack']}-{function}", Payload=json.dumps(event), LogType="Tail"
        )
        log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
        payload = json.loads(answer["Payload"].read() or "null")
        assert "FunctionError" not in answer, f"{payload}\n{log}"
        return payload, log

    def messages(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in counts.values())
