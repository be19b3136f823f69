"""The keys with which the embedded AWS' functions sign.

MiniStack 1.5.33 derives a function's secret from the names of the function and its role, and both are the same on every
machine: anybody could derive it. Here root's secret is part of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

Register = Callable[[str, dict[str, Any]], None]


def function_credentials(config: Mapping[str, Any], root_secret: str, register: Register) -> dict[str, str]:
    """The variables with a function's keys; `register` makes the embedded AWS know them as a session of its role."""
    account, role = config["FunctionArn"].split(":")[4], config["Role"].rsplit("/", 1)[-1]
    session = config["FunctionName"][:64]

    def derived(part: str) -> str:
        said = f"{part}:{config['FunctionArn']}:{config['Role']}"
        return hmac.digest(root_secret.encode(), said.encode(), "sha256").hex()

    key = f"ASIA{derived('key')[:16].upper()}"
    session_facts = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "UserId": f"{role}:{session}",
        "SecretAccessKey": derived("secret"),
        "SessionToken": derived("token"),
    }
    register(key, session_facts)
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": session_facts["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session_facts["SessionToken"],
    }
