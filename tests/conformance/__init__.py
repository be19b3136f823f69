"""The contract of docs/model-server.md as tests that any server can be held to:

MODEL_SERVER_URL=http://127.0.0.1:8080 MODEL_NAME=balls pytest tests/conformance/test_server.py

promises: what is held, a function each. server: how it gets requests. reference: a server that keeps them all.
violations and misreadings: servers that break one each.
"""

import pytest

pytest.register_assert_rewrite("tests.conformance.promises", "tests.conformance.responses")
