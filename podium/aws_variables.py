"""The AWS variables of this process and its children: those of the local stack, or the person's own.

`podium env` exports the local stack's into a shell and keeps there, in PODIUM_SHELL, what they replaced. `podium env --unset` and
every command with `--stack` go the way back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from podium.errors import ConsoleError
from podium.loopback import HOSTS, without_proxy
from podium.project import local_stack

KEPT = "PODIUM_SHELL"  # JSON: {"set": {name: value}, "before": {name: value}}
ENDPOINT = "AWS_ENDPOINT_URL"  # or AWS_ENDPOINT_URL_S3 and so on, which win over it
# What else decides who asks, and where; all the other variables of AWS's tools are a person's taste.
WHO_AND_WHERE = frozenset({
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
})  # fmt: skip
ALWAYS = {
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"
}  # `true` in a person's configuration would skip AWS_ENDPOINT_URL
REGIONS = frozenset({"AWS_REGION", "AWS_DEFAULT_REGION"})
OF_A_SESSION = frozenset({"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"})  # belong to the access key beside them


def local_changes(environment: Mapping[str, str], local: Mapping[str, str]) -> dict[str, str | None]:
    """The variables to change so that tools speak to the local stack; None is to be unset."""
    others = {name: None for name in environment if name in WHO_AND_WHERE or name.startswith(f"{ENDPOINT}_")}
    return {**others, **ALWAYS, **without_proxy(environment), **local}


def local_environment(environment: Mapping[str, str], local: Mapping[str, str]) -> dict[str, str]:
    """These variables, with those of the local stack; nothing of the person's own profile is left."""
    changed = {**environment, **local_changes(environment, local)}
    return {name: value for name, value in changed.items() if value is not None}


def kept_changes(environment: Mapping[str, str], changes: Mapping[str, str | None]) -> str:
    """The value of PODIUM_SHELL: these changes, and what the person had before the first of them."""
    own = without_local_stack(environment)
    replaced = changes.keys() | _kept(environment)["before"].keys()  # the second time, those of the first are unset
    return json.dumps({
        "set": {name: value for name, value in changes.items() if value is not None},
        "before": {name: own[name] for name in sorted(replaced) if name in own},
    })  # fmt: skip


def without_local_stack(environment: Mapping[str, str]) -> dict[str, str]:
    """These variables as they were before `podium env`; what a person has set since stays."""
    kept = _kept(environment)
    given = kept["set"] or _local_variables(environment)
    ours = {name for name, value in given.items() if environment.get(name) == value}
    since = {name: value for name, value in environment.items() if name != KEPT and name not in ours}
    before = kept["before"]
    if "AWS_ACCESS_KEY_ID" in since:
        before = {name: value for name, value in before.items() if name not in OF_A_SESSION}
    return {**before, **since}


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a person who speaks to AWS: without the local stack's, and without any endpoint.

    The certificates of an endpoint on this machine go with it; those of the person's own proxy stay.
    """
    own = without_local_stack(environment)
    endpoints = {name for name in own if name == ENDPOINT or name.startswith(f"{ENDPOINT}_")}
    if any(_is_here(own[name]) for name in endpoints):
        own.pop("AWS_CA_BUNDLE", None)
    return {name: value for name, value in own.items() if name not in endpoints}


def speak_to_aws() -> None:
    """Make this process, and every child that it starts, speak to AWS as the person: for `--stack`."""
    own = own_environment(os.environ)
    own = {name: value for name, value in own.items() if value or name not in {*WHO_AND_WHERE, *REGIONS}}
    if "AWS_REGION" in own:
        own.setdefault("AWS_DEFAULT_REGION", own["AWS_REGION"])  # boto3 reads only this one, the AWS CLI both
    for name in os.environ.keys() - own.keys():
        del os.environ[name]
    os.environ.update(own)


def _kept(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    try:
        kept = json.loads(environment.get(KEPT, "{}"))
    except ValueError:
        kept = {}
    parts = kept if isinstance(kept, dict) else {}
    return {part: _texts(parts.get(part)) for part in ("set", "before")}


def _texts(value: object) -> dict[str, str]:
    return {name: text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _local_variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Those of this folder's stack if its keys are here: a shell may have them by hand. The region may be the person's."""
    try:
        local = local_stack()
        given = local.client_environment if local else {}
    except ConsoleError:  # damaged, or without a key: no reason not to speak to AWS
        return {}
    if not given or environment.get("AWS_ACCESS_KEY_ID") != given["AWS_ACCESS_KEY_ID"]:
        return {}
    return {name: value for name, value in given.items() if name not in REGIONS}


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in HOSTS
