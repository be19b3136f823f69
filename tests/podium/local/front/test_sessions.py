"""The keys of functions."""

from __future__ import annotations

from typing import Any

from podium.local.front.sessions import function_credentials

CONFIG = {
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:podium-classify",
    "FunctionName": "podium-classify",
    "Role": "arn:aws:iam::000000000000:role/podium-ClassifyRole-DFD0E92B7CDE0",
}


def test_a_function_s_keys_are_a_session_of_its_role_that_nobody_without_root_s_secret_can_derive() -> None:
    sessions: dict[str, dict[str, Any]] = {}
    ours = function_credentials(CONFIG, "root's secret", sessions.__setitem__)
    session = sessions[ours["AWS_ACCESS_KEY_ID"]]
    assert session["Arn"] == "arn:aws:sts::000000000000:assumed-role/podium-ClassifyRole-DFD0E92B7CDE0/podium-classify"
    assert (session["SecretAccessKey"], session["SessionToken"]) == (
        ours["AWS_SECRET_ACCESS_KEY"],
        ours["AWS_SESSION_TOKEN"],
    )
    theirs = function_credentials(CONFIG, "another secret", sessions.__setitem__)
    assert not set(ours.values()) & set(theirs.values())
    assert ours == function_credentials(CONFIG, "root's secret", sessions.__setitem__)
