"""No secret lies in the tree: detect-secrets reads every line of every file that git knows."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.gates.running import GATES, run
from tests.gates.templates import ROOT

pytestmark = pytest.mark.tree

# Digests, etags and request ids are in every event and every lock: what only looks random is no finding. The detectors of
# keys by their form (AWS, Azure, GitHub, private keys, ...) and by the word before them remain.
WITHOUT = ["--disable-plugin", "HexHighEntropyString", "--disable-plugin", "Base64HighEntropyString"]
LOCKS = ["--exclude-files", r"requirements.*\.txt$"]  # 100,000 lines of hashes
# A template's function is no secret, and HttpTokens is the option of a machine's metadata.
TEMPLATES = ["--exclude-secrets", r"^!(Ref|Not|And|Sub|If|GetAtt)\b", "--exclude-lines", r"HttpTokens\"?: \"?required"]

# What is found and is none, and why.
HARMLESS = {
    "AKIAIOSFODNN7EXAMPLE": "AWS's own example, in tests of signatures",  # pragma: allowlist secret
    "AccessDenied": "an error's name",
    "GetSecretValue": "a permission's name in template.yaml",
    "InvalidAccessKeyId": "an error's name",
    "Sign in again, such as with `aws sso login`.": "a sentence for a person",
    "a shared secret": "words in a test's description",
    "first": "a token in tests",
    "local": "a stack's secret in a test of the console",
    "made-at-the-first-up": "the root key's secret in tests of the embedded AWS",
    "new": "a key in a test of the shell's variables",
    "password": "in a URL that the settings refuse",  # pragma: allowlist secret
    "path": "the value of a header that a test sends",
    "second": "the token after it, in tests",
    "second\\n": "the same with an end of line",
    "true": "an option of TorchServe's config.properties",
}


def digest(value: str) -> str:
    """As detect-secrets names a value without showing it."""
    return hashlib.sha1(value.encode(), usedforsecurity=False).hexdigest()


def scan(*words: str, folder: Path = ROOT) -> dict[str, str]:
    """What is found: its digest, and where it is."""
    scanned = run(GATES / "detect-secrets", "scan", "--no-verify", *WITHOUT, *LOCKS, *TEMPLATES, *words, folder=folder)
    assert scanned.returncode == 0, scanned.stderr
    results = json.loads(scanned.stdout)["results"]
    return {
        found["hashed_secret"]: f"{file}:{found['line_number']}: {found['type']}"
        for file, all_found in results.items()
        for found in all_found
    }


def test_no_line_of_the_tree_holds_a_secret() -> None:
    found, harmless = scan(), {digest(value): value for value in HARMLESS}
    assert [where for value, where in found.items() if value not in harmless] == []
    assert [value for known, value in harmless.items() if known not in found] == [], "nothing finds these any more"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("key = AKIA" + "Z" * 16, "AWS Access Key"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA" * 4, "Private Key"),
        ("token: ghp_" + "a1B2c3D4e5F6" * 3, "GitHub Token"),
        ("password = " + "'Tr0ub4dor-and-3'", "Secret Keyword"),
    ],
)
def test_a_secret_is_found(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "notes.txt").write_text(f"{text}\n")
    [where] = scan("--all-files", tmp_path.as_posix(), folder=tmp_path).values()
    assert where.endswith(found)
