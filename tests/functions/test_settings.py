"""What a deployment decides."""

from __future__ import annotations

import pytest

from pipeline.errors import SettingsInvalid
from pipeline.settings import Settings, settings_from
from tests.functions.factories import ROOT

COMPLETE = {
    "INPUT_BUCKET": "podium-input",
    "RESULTS_BUCKET": "podium-results",
    "RESULTS": "each",
    "TABLE_NAME": "podium-results",
    "LEDGER_NAME": "podium-ledger",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/podium-images",
    "DLQ_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/podium-images-dlq",
    "MODEL_SERVER_URL": "http://models.internal:8080",
    "MODEL_SERVER_TOKEN_SECRET": "",
    "MODEL_ARCHIVE": "",
    "MODEL_ARCHIVE_VERSION": "",
    "MODEL_ARCHIVE_SHA256": "",
    "MODEL_NAME": "balls",
    "MODEL_VERSION": "1.0",
    "MAX_IMAGE_BYTES": "10485760",
    "MAX_RECEIVES": "10",
    "PREDICT_TIMEOUT_S": "20",
}


def test_a_complete_environment_becomes_typed_settings() -> None:
    settings = settings_from(COMPLETE | {"PATH": "/usr/bin"}, Settings)
    assert settings.max_image_bytes == 10_485_760
    assert settings.predict_timeout_s == 20.0
    assert settings.model.ref == "balls@1.0"


@pytest.mark.parametrize("variable", COMPLETE)
def test_a_missing_variable_is_named_with_what_it_must_be(variable: str) -> None:
    with pytest.raises(SettingsInvalid, match=rf"^{variable} is missing: it must be .+\.$"):
        settings_from({name: value for name, value in COMPLETE.items() if name != variable}, Settings)


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [
        ("MODEL_SERVER_URL", "http://models.internal/"),
        ("MODEL_SERVER_URL", "ftp://models.internal"),
        ("MODEL_SERVER_URL", "http://name:password@models.internal"),
        ("MODEL_SERVER_TOKEN_SECRET", "the token itself"),
        ("QUEUE_URL", "podium-images"),
        ("MODEL_NAME", "balls/../admin"),
        ("MAX_IMAGE_BYTES", "10 MB"),
        ("MAX_IMAGE_BYTES", "0"),
        ("PREDICT_TIMEOUT_S", "-1"),
        ("RESULTS_BUCKET", ""),
        ("RESULTS", "both"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_what_it_must_be(variable: str, wrong: str) -> None:
    with pytest.raises(SettingsInvalid) as error:
        settings_from(COMPLETE | {variable: wrong}, Settings)
    assert str(error.value).startswith(f"{variable} is {wrong!r}: it must be ")


def test_all_wrong_variables_are_named_at_once() -> None:
    with pytest.raises(SettingsInvalid, match=r"RESULTS_BUCKET is missing.*MODEL_NAME is missing"):
        settings_from({n: v for n, v in COMPLETE.items() if n not in {"RESULTS_BUCKET", "MODEL_NAME"}}, Settings)


def test_no_setting_has_a_default() -> None:
    assert all(field.is_required() for field in Settings.model_fields.values())


def test_nothing_else_reads_the_environment() -> None:
    sources = (ROOT / "functions" / "pipeline").rglob("*.py")
    assert [path.name for path in sources if "environ" in path.read_text() or "getenv" in path.read_text()] == [
        "settings.py"
    ]
