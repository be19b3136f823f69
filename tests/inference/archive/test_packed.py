"""A `.mar` is one model, read in bounded memory, or it is refused with a sentence before anything of it is used."""

from __future__ import annotations

import json
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.archive.digest import content_sha256
from inference.archive.errors import ModelRefused
from inference.archive.packed import opened_mar, read_packed, unpacked_data
from inference.archive.zip_structure import MOST_ENTRIES
from tests.inference.archive.mars import PLAIN, files, manifest, write_mar

MEBI = 2**20


@pytest.fixture
def mar(tmp_path: Path) -> Path:
    return write_mar(tmp_path / "balls.mar")


def refusal(mar: Path) -> str:
    """Why an archive is not used, whoever opens it: for its record, its data or its digest."""
    sentences = set()
    for use in (read_packed, _unpack, content_sha256):
        with pytest.raises(ModelRefused) as caught:
            use(mar)
        sentences.add(str(caught.value))
    [sentence] = sentences
    assert sentence.endswith(".")
    assert len(sentence) < 400
    return sentence


def _unpack(mar: Path) -> None:
    with unpacked_data(mar):
        pass


def entry(name: str, mode: int = 0, flags: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.flag_bits |= flags
    return info


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["w/data.pkl", "w/data/0", "w/version"], "a file of weights as torch.save writes it, no archive. Train from it with pretrained="),
        (["photos/1.jpg"], "It is a ZIP file, but no archive of a model: model.json is missing. Give the .mar"),
        ([], "It is a ZIP file, but no archive of a model"),
    ],
)  # fmt: skip
def test_another_kind_of_zip_is_named_and_not_told_to_be_packaged_again(
    tmp_path: Path, names: list[str], sentence: str
) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as opened:
        for name in names:
            opened.writestr(entry(name, flags=0x8), b"x")  # as torch writes it: packed as for a stream
    assert sentence in refusal(tmp_path / "w.pth")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_whole_archive_is_read_however_it_was_packed(tmp_path: Path, compression: int) -> None:
    mar = write_mar(tmp_path / "balls.mar", PLAIN, compression)
    assert read_packed(mar).name == "balls"
    with unpacked_data(mar) as folder:
        for path in folder.iterdir():
            assert path.read_bytes() == PLAIN[path.name]
    with zipfile.ZipFile(mar) as opened:
        opened.extractall(tmp_path / "unpacked")
    assert content_sha256(mar) == content_sha256(tmp_path / "unpacked")


def test_only_its_data_is_unpacked_and_it_is_gone_afterwards(mar: Path) -> None:
    with unpacked_data(mar) as folder:
        assert {path.name for path in folder.rglob("*")} == {"model.json", "model.safetensors", "golden.json"}
    assert not folder.exists()


def test_folders_times_and_rights_as_zip_writes_them_are_no_offence(tmp_path: Path) -> None:
    with_time = entry("model-config.yaml", 0o100644)
    with_time.extra = struct.pack("<HHBL", 0x5455, 5, 1, 1_700_000_000)  # Info-ZIP's own time
    content = [(name, data) for name, data in PLAIN.items() if name != "model-config.yaml"]
    folders = [(entry("inference/", 0o040755), b""), (entry("MAR-INF/", 0o040755), b"")]
    assert (
        read_packed(write_mar(tmp_path / "a.mar", [*folders, *content, (with_time, b"batchSize: 8\n")])).version
        == "1.0"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_an_archive_larger_than_32_bits_can_count_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python writes ZIP64 records for it; here the limit is lowered, so that a small one has them, too."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    assert read_packed(write_mar(tmp_path / "a.mar")).name == "balls"
    with zipfile.ZipFile(tmp_path / "b.mar", "w") as opened:
        for name, data in PLAIN.items():
            with opened.open(name, "w", force_zip64=True) as target:
                target.write(data)
    assert read_packed(tmp_path / "b.mar").name == "balls"


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "../outside", "inference/../../outside", "./model.txt", "a//b", "C:evil", "a\\b", "line\nline",
        "esc\x1b[2J", "right\u202eleft", "a" * 256, "what?", " \u2028",
    ],
    ids=ascii,
)  # fmt: skip
def test_an_entry_that_would_land_elsewhere_or_shows_as_another_is_refused(tmp_path: Path, name: str) -> None:
    sentence = refusal(write_mar(tmp_path / "a.mar", PLAIN | {name: b""}))
    assert "It has an entry called" in sentence
    assert sentence.isascii()


def test_a_name_that_zero_bytes_cut_for_python_alone_is_refused(tmp_path: Path) -> None:
    mar = write_mar(tmp_path / "a.mar", PLAIN | {"evil.py_.txt": b""})
    mar.write_bytes(mar.read_bytes().replace(b"evil.py_.txt", b"evil.py\0.txt"))
    assert "It has an entry called 'evil.py\\x00.txt'" in refusal(mar)


@pytest.mark.parametrize(
    "mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644, stat.S_IFDIR | 0o755]
)
def test_a_link_or_a_device_in_an_archive_is_refused(tmp_path: Path, mode: int) -> None:
    changed: list[tuple[str | zipfile.ZipInfo, bytes]] = [*PLAIN.items(), (entry("weights.txt", mode), b"/etc/passwd")]
    assert "'weights.txt' is a link or a device" in refusal(write_mar(tmp_path / "a.mar", changed))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    changed = [*PLAIN.items(), ("model.json", files(temperature=2.0)["model.json"])]
    assert refusal(write_mar(tmp_path / "a.mar", changed)).startswith("It has two entries called 'model.json'.")


def test_a_file_that_is_a_folder_too_is_refused(tmp_path: Path) -> None:
    assert "'handler.py' is a file, and a folder of" in refusal(
        write_mar(tmp_path / "a.mar", PLAIN | {"handler.py/a": b""})
    )


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_inflate_without_a_bound_are_refused(tmp_path: Path, compression: int) -> None:
    assert "expected stored or deflated" in refusal(write_mar(tmp_path / "a.mar", PLAIN, compression))


def patched(
    mar: Path, name: str, *, table: Callable[[bytearray], None] | None, local: Callable[[bytearray], None] | None
) -> Path:
    """The archive with other bytes in the two headers of one entry."""
    data = bytearray(mar.read_bytes())
    for change, mark, length, name_at in ((local, b"PK\3\4", 30, 30), (table, b"PK\1\2", 46, 46)):
        if change:
            at = data.index(mark)
            while bytes(data[at + name_at : at + name_at + len(name)]) != name.encode():
                at = data.index(mark, at + 4)
            header = data[at : at + length]
            change(header)
            data[at : at + length] = header
    mar.write_bytes(data)
    return mar


def put(form: str, at: int, value: int) -> Callable[[bytearray], None]:
    return lambda header: struct.pack_into(form, header, at, value)


@pytest.mark.parametrize("bit", [0x1, 0x8, 0x20, 0x40, 0x2000])
def test_what_is_encrypted_or_patched_or_streamed_is_refused(mar: Path, bit: int) -> None:
    changed = patched(mar, "model.json", table=put("<H", 8, bit), local=put("<H", 6, bit))
    assert "'model.json' is encrypted, or packed in a way that only streams need" in refusal(changed)


@pytest.mark.parametrize(
    ("form", "at"),
    [("<H", 6), ("<H", 8), ("<L", 14), ("<L", 18), ("<L", 22)],
    ids=["flags", "method", "crc", "packed", "size"],
)
def test_a_local_header_that_tells_java_something_else_is_refused(mar: Path, form: str, at: int) -> None:
    assert "says something else than the table" in refusal(
        patched(mar, "handler.py", table=None, local=put(form, at, 2))
    )


def test_a_local_name_that_tells_java_something_else_is_refused(mar: Path) -> None:
    data = mar.read_bytes()
    mar.write_bytes(data.replace(b"handler.py", b"hANDLER.py", 2).replace(b"hANDLER.py", b"handler.py", 1))
    assert mar.read_bytes() != data
    assert "something else than the table" in refusal(mar)


@pytest.mark.parametrize("where", ["before", "between", "behind", "after"])
def test_bytes_that_belong_to_no_entry_are_refused(mar: Path, where: str) -> None:
    """A reader of local headers would find other entries there, and so would a program that sees another format."""
    data = mar.read_bytes()
    table = data.index(b"PK\1\2")
    hidden = write_mar(mar.with_name("hidden.mar"), {"handler.py": b"other"}).read_bytes()
    hidden = hidden[: hidden.index(b"PK\1\2")]
    if where == "before":
        mar.write_bytes(hidden + data)
    elif where == "after":
        mar.write_bytes(data + hidden)
    else:
        second = data.index(b"PK\3\4", 4)
        at = second if where == "between" else table
        moved = bytearray(data[:at] + hidden + data[at:])
        struct.pack_into("<L", moved, len(moved) - 6, table + len(hidden))
        entry_at = table + len(hidden)
        while where == "between" and moved[entry_at : entry_at + 4] == b"PK\1\2":
            [offset] = struct.unpack_from("<L", moved, entry_at + 42)
            struct.pack_into("<L", moved, entry_at + 42, offset + (len(hidden) if offset >= second else 0))
            entry_at += 46 + sum(struct.unpack_from("<3H", moved, entry_at + 28))
        mar.write_bytes(moved)
    assert any(words in refusal(mar) for words in ("belong to n", "whole file", "something follows its end"))


def test_a_comment_is_refused_for_it_may_hide_another_end(mar: Path) -> None:
    with zipfile.ZipFile(mar, "a") as opened:
        opened.comment = b"hello"
    assert "something follows its end" in refusal(mar)


def test_two_ends_that_differ_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    mar = write_mar(tmp_path / "a.mar")
    data = bytearray(mar.read_bytes())
    struct.pack_into("<2H", data, len(data) - 14, 3, 3)
    mar.write_bytes(data)
    assert refusal(mar).startswith("Its two end records differ.")


def test_an_end_that_counts_other_entries_is_refused(mar: Path) -> None:
    data = bytearray(mar.read_bytes())
    struct.pack_into("<2H", data, len(data) - 14, 3, 3)
    mar.write_bytes(data)
    assert "It says it has another number of entries" in refusal(mar)


def test_more_entries_than_any_model_has_are_refused_before_they_are_read(tmp_path: Path) -> None:
    many = PLAIN | {f"inference/{number}.py": b"" for number in range(MOST_ENTRIES)}
    mar = write_mar(tmp_path / "a.mar", many)
    assert refusal(mar).startswith("It has 1,007 entries, and 1,000 at most are allowed.")
    data = bytearray(mar.read_bytes())
    struct.pack_into("<2HL", data, len(data) - 14, 7, 7, 2**30)  # few entries, but a table of 1 GB
    mar.write_bytes(data)
    assert refusal(mar).startswith("It has 7 entries, and 1,000 at most are allowed.")


def zeros(size: int) -> bytes:
    """So many zeros, deflated: a thousandth of their size."""
    packer, piece = zlib.compressobj(9, zlib.DEFLATED, -15), bytes(MEBI)
    return b"".join([*(packer.compress(piece) for _ in range(size // MEBI)), packer.flush()])


def with_bomb(mar: Path, *, size: int, said: int, crc: int) -> Path:
    """An archive whose weights are zeros, deflated, and which says another size of them."""
    packed = zeros(size)
    content = [(name, data) for name, data in PLAIN.items() if name != "model.safetensors"]
    write_mar(mar, [*content, (entry("model.safetensors"), packed)], zipfile.ZIP_STORED)
    changes = [put("<H", 0, zipfile.ZIP_DEFLATED), put("<L", 6, crc), put("<L", 14, said)]  # from the method on

    def change(at: int) -> Callable[[bytearray], None]:
        def patch(header: bytearray) -> None:
            part = header[at:]
            for one in changes:
                one(part)
            header[at:] = part

        return patch

    return patched(mar, "model.safetensors", table=change(10), local=change(8))


def peak_while(use: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        use()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_small_archive_that_says_it_inflates_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    mar = with_bomb(tmp_path / "a.mar", size=256 * MEBI, said=256 * MEBI, crc=0)
    assert mar.stat().st_size < MEBI
    peak = peak_while(lambda: refusal(mar))
    assert "would inflate to 268," in refusal(mar)
    assert peak < 4 * MEBI


def test_an_entry_that_inflates_to_more_than_it_says_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    """Python's own read would take all of it before it looks at the size; here a mebibyte at a time is inflated."""
    mar = with_bomb(tmp_path / "a.mar", size=256 * MEBI, said=MEBI, crc=0)
    for use in (_unpack, content_sha256):

        def refused() -> None:
            with pytest.raises(ModelRefused, match=r"'model\.safetensors' is damaged \(Bad CRC-32"):
                use(mar)  # noqa: B023 - called at once

        assert peak_while(refused) < 8 * MEBI


def test_an_entry_that_inflates_to_less_than_it_says_is_refused(tmp_path: Path) -> None:
    mar = with_bomb(tmp_path / "a.mar", size=MEBI, said=2 * MEBI, crc=zlib.crc32(bytes(MEBI)))
    with pytest.raises(ModelRefused, match=r"'model\.safetensors' is cut short by 1,048,576 bytes"):
        _unpack(mar)


def test_an_archive_that_is_cut_short_anywhere_is_refused(mar: Path) -> None:
    data = mar.read_bytes()
    for length in (0, 1, 21, 22, 100, len(data) // 2, len(data) - 1):
        mar.write_bytes(data[:length])
        assert "Copy the archive again." in refusal(mar)


def test_a_flipped_byte_in_a_document_is_refused(tmp_path: Path) -> None:
    mar = write_mar(tmp_path / "a.mar", PLAIN, zipfile.ZIP_STORED)
    data = mar.read_bytes()
    mar.write_bytes(data.replace(b'"temperature": 1.0', b'"temperature": 9.0'))
    with pytest.raises(ModelRefused, match=r"'model\.json' is damaged \(Bad CRC-32"):
        read_packed(mar)


def test_an_archive_in_an_archive_stays_packed(tmp_path: Path) -> None:
    inner = with_bomb(tmp_path / "inner.mar", size=256 * MEBI, said=256 * MEBI, crc=0).read_bytes()
    mar = write_mar(tmp_path / "a.mar", PLAIN | {"extra.zip": inner}, zipfile.ZIP_STORED)
    assert peak_while(lambda: _unpack(mar)) < 4 * MEBI


@pytest.mark.parametrize("name", ["model.json", "MAR-INF/MANIFEST.json"])
def test_an_archive_without_its_records_is_refused(tmp_path: Path, name: str) -> None:
    changed = {other: data for other, data in PLAIN.items() if other != name}
    with pytest.raises(ModelRefused, match=f"{name} is missing"):
        read_packed(write_mar(tmp_path / "a.mar", changed))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"modelName": "cats"}, "modelName is 'cats', expected 'balls', as model.json says"),
        ({"modelVersion": "2.0"}, "modelVersion is '2.0', expected '1.0'"),
        ({"modelName": None}, "has no model.modelName"),
        ({"handler": "../handler.py"}, "names the file '../handler.py'"),
        ({"handler": "image_classifier"}, "handler is 'image_classifier', expected a file of the archive"),
        ({"handler": 1}, "handler is 1, expected a text"),
        ({"configFile": "absent.yaml"}, "configFile is 'absent.yaml', expected a file of the archive"),
        ({"serializedFile": "model.pt"}, "serializedFile is 'model.pt', and archives of Podium have none"),
        ({"requirementsFile": "requirements.txt"}, "requirementsFile is 'requirements.txt', and archives"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    mar = write_mar(tmp_path / "a.mar", PLAIN | {"MAR-INF/MANIFEST.json": manifest(**changed)})
    with pytest.raises(ModelRefused) as caught:
        read_packed(mar)
    assert words in str(caught.value)


def test_a_handler_may_be_named_with_its_entry_point(tmp_path: Path) -> None:
    for handler in ("handler", "handler:handle", "handler.py:handle"):
        mar = write_mar(tmp_path / "a.mar", PLAIN | {"MAR-INF/MANIFEST.json": manifest(handler=handler)})
        assert read_packed(mar).name == "balls"


def test_a_runtime_that_is_not_python_is_refused(tmp_path: Path) -> None:
    document = json.loads(PLAIN["MAR-INF/MANIFEST.json"]) | {"runtime": "LSP"}
    mar = write_mar(tmp_path / "a.mar", PLAIN | {"MAR-INF/MANIFEST.json": json.dumps(document).encode()})
    with pytest.raises(ModelRefused, match="runtime is 'LSP', expected python"):
        read_packed(mar)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="It cannot be opened"), opened_mar(tmp_path / "absent.mar"):
        pass


def test_a_disk_without_room_is_named_with_what_to_do(mar: Path) -> None:
    program = (
        "import resource, sys, pathlib\n"
        "from inference.archive.packed import unpacked_data\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))\n"
        "unpacked_data(pathlib.Path(sys.argv[1])).__enter__()\n"
    )
    command = [sys.executable, "-c", program, str(mar)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert "ModelRefused: It cannot be unpacked into" in last
    assert last.endswith("(File too large). Make room there, or set TMPDIR to another folder.")
