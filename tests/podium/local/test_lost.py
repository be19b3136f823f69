"""What is taken from a lost stack's buckets for the new ones."""

from __future__ import annotations

import json
from pathlib import Path

from podium.local.lost import stored_objects


def store(bucket: Path, key: str, content: bytes, **facts: object) -> Path:
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(f"{path.name}.meta.json").write_text(json.dumps({"key": key, **facts}))
    return path


def test_objects_keep_keys_types_and_metadata(tmp_path: Path) -> None:
    store(tmp_path, "incoming/trip/été 1.jpg", b"a", content_type="image/jpeg", metadata={"x-amz-meta-note": "x"})
    store(tmp_path, "batches/trip/manifest.json", b"{}", content_type="application/json", metadata={})
    found = {(it.key, it.path.read_bytes(), it.content_type, *it.metadata.items()) for it in stored_objects(tmp_path)}
    assert found == {
        ("incoming/trip/été 1.jpg", b"a", "image/jpeg", ("note", "x")),
        ("batches/trip/manifest.json", b"{}", "application/json"),
    }


def test_the_name_on_disk_is_not_always_the_key(tmp_path: Path) -> None:
    store(tmp_path, "odd", b"a").with_name("odd.meta.json").write_text(json.dumps({"key": "a/../b"}))
    assert [it.key for it in stored_objects(tmp_path)] == ["a/../b"]


def test_an_object_whose_facts_are_damaged_is_not_lost(tmp_path: Path) -> None:
    for content in ("", "{", "[]"):
        path = store(tmp_path, "incoming/a.jpg", b"a")
        path.with_name("a.jpg.meta.json").write_text(content)
        assert [(it.key, it.content_type) for it in stored_objects(tmp_path)] == [
            ("incoming/a.jpg", "binary/octet-stream")
        ]
    path.with_name("a.jpg.meta.json").unlink()
    assert [it.key for it in stored_objects(tmp_path)] == ["incoming/a.jpg"]


def test_a_deleted_object_does_not_come_back(tmp_path: Path) -> None:
    store(tmp_path, "incoming/a.jpg", b"a", is_delete_marker=True)
    assert not list(stored_objects(tmp_path))


def test_a_bucket_that_is_gone_has_no_objects(tmp_path: Path) -> None:
    assert not list(stored_objects(tmp_path / "nowhere"))
