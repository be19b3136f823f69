"""The template on the embedded AWS with the real TorchServe: from an upload to the JSON and the row."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import zlib
from pathlib import Path

import psutil
import pytest

from tests.stack.conftest import PATIENCE_S, ROOT, Console, Json, until

pytestmark = pytest.mark.stack

ODD_NAME = "été & 100% + ball #1 (copy).jpg"


def test_the_demo_classifies_unseen_images(stack: Console) -> None:
    rows = stack.results("demo")
    right = [row for row in rows if row["label"] == Path(row["image"]).parent.name]
    assert len(rows) == 60
    assert len(right) >= 0.9 * len(rows)


def test_the_json_says_what_the_row_says(stack: Console, facts: dict[str, str]) -> None:
    row = stack.results("demo")[0]
    found = stack.shell(
        f"aws s3api get-object --bucket {facts['results_bucket']} --key '{row['result_key']}' "
        f"--version-id '{row['result_version_id']}' /dev/stdout | head -c 100000"
    )
    result, _ = json.JSONDecoder().raw_decode(found)
    assert result["predictions"][0]["label"] == row["label"]
    assert [step["rank"] for step in result["predictions"]] == [1, 2, 3]
    assert f"{result['model']['name']}@{result['model']['version']}" == row["model"] == facts["model"]
    assert result["model"]["archive_sha256"] == row["model_sha256"]
    assert result["image"]["version_id"] == row["version_id"]


def test_the_plain_aws_cli_uploads_an_image_and_queries_it(
    stack: Console, facts: dict[str, str], photos: list[Path]
) -> None:
    label = photos[0].parent.name
    uri = f"s3://{facts['input_bucket']}/incoming/mine/ball.jpg"
    stack.shell(f"aws s3 cp --only-show-errors '{photos[0]}' {uri}")
    stack.podium("watch", "mine", "--timeout", PATIENCE_S)
    by_image = stack.shell(
        f"aws dynamodb query --table-name {facts['table']} --key-condition-expression 'image = :i' "
        f"""--expression-attribute-values '{{":i": {{"S": "{uri}"}}}}'"""
    )
    (item,) = json.loads(by_image)["Items"]
    by_label = stack.shell(
        f"for shard in {{00..15}}; do aws dynamodb query --table-name {facts['table']} "
        "--index-name by-label-probability --no-scan-index-forward --output json --query 'Items[]' "
        "--key-condition-expression 'label_shard = :l AND label_order > :p' "
        f"""--expression-attribute-values '{{":l": {{"S": "{item["label"]["S"]}/'$shard'"}}, ":p": {{"S": "0"}}}}' """
        "| tr '\\n' ' '; echo; done"
    )
    shards = [json.loads(line) for line in by_label.splitlines()]
    for shard in shards:
        probabilities = [float(it["probability"]["N"]) for it in shard]
        assert probabilities == sorted(probabilities, reverse=True)
    items = [it for shard in shards for it in shard]
    assert uri in {item["image"]["S"] for item in items}
    assert label in {step["M"]["label"]["S"] for step in item["top3"]["L"]}


def test_an_image_with_an_odd_name_is_found_under_its_own_name(
    stack: Console, facts: dict[str, str], photos: list[Path], tmp_path: Path
) -> None:
    shutil.copy(photos[0], tmp_path / ODD_NAME)
    stack.podium("drop", str(tmp_path / ODD_NAME), "--batch", "odd", "--wait", "--timeout", PATIENCE_S)
    uri = f"s3://{facts['input_bucket']}/incoming/odd/{ODD_NAME}"
    rows = stack.json("results", "--image", uri)
    assert [(row["image"], row["status"]) for row in rows] == [(uri, "classified")]


def test_every_bad_input_is_rejected_with_its_code_and_none_is_a_dead_letter(
    stack: Console, facts: dict[str, str]
) -> None:
    inputs = {
        "zero.jpg": (b"", "empty"),
        "text.jpg": (b"this is no photo", "unsupported_format"),
        "truncated.jpg": (_jpeg()[:-2000], "unreadable"),
        "bomb.png": (_png_header(30_000, 30_000), "too_many_pixels"),
        "grey.png": (_encoded("L", "PNG"), None),
        "cmyk.jpg": (_encoded("CMYK", "JPEG"), None),
        "deep.png": (_encoded("I;16", "PNG"), None),
        "palette.png": (_encoded("P", "PNG", transparency=0), None),
        "moving.gif": (_encoded("P", "GIF", save_all=True, append_images=[_picture().convert("P")]), None),
    }
    folder = stack.home / "bad"
    folder.mkdir()
    for name, (data, _) in inputs.items():
        (folder / name).write_bytes(data)
    bucket = facts["input_bucket"]
    stack.shell(f"aws s3api put-object --bucket {bucket} --key incoming/bad/folder/")
    stack.podium("drop", str(folder), "--batch", "bad", "--wait", "--timeout", PATIENCE_S)
    found = {row["image"].rsplit("incoming/bad/")[-1]: row for row in stack.results("bad")}
    assert {name: row["rejected_code"] for name, row in found.items()} == {
        **{name: code for name, (_, code) in inputs.items()},
        "folder/": "folder_marker",
    }
    for row in found.values():
        assert (row["rejected_reason"] is not None) == (row["status"] == "rejected")
    assert messages(stack, facts["dlq_url"]) == 0


def test_a_message_that_nobody_can_read_goes_to_the_dead_letters_once_with_its_reason(
    stack: Console, facts: dict[str, str]
) -> None:
    stack.shell(f"aws sqs send-message --queue-url {facts['queue_url']} --message-body 'hello'")
    receive = f"aws sqs receive-message --queue-url {facts['dlq_url']}"
    answer = until(
        "a dead letter", lambda: stack.shell(f"{receive} --message-attribute-names All --wait-time-seconds 1")
    )
    received = json.loads(answer)["Messages"]
    assert [message["Body"] for message in received] == ["hello"]
    assert received[0]["MessageAttributes"]["reason"]["StringValue"]
    stack.shell(
        f"aws sqs delete-message --queue-url {facts['dlq_url']} --receipt-handle '{received[0]['ReceiptHandle']}'"
    )
    assert messages(stack, facts["queue_url"]) == 0


@pytest.mark.parametrize(
    ("event", "failures"),
    [("sqs-s3-test-event.json", 0), ("sqs-object-removed.json", 0), ("sqs-folder-marker.json", 0)],
)
def test_an_event_file_is_fed_to_the_deployed_function(stack: Console, event: str, failures: int) -> None:
    stack.shell(
        "aws lambda invoke --function-name podium-classify "
        f"--payload file://events/{event} '{stack.home}/response.json' > /dev/null"
    )
    assert len(json.loads((stack.home / "response.json").read_text())["batchItemFailures"]) == failures


def test_a_dead_model_server_costs_no_image(stack: Console, facts: dict[str, str], photos: list[Path]) -> None:
    log = stack.home / "logs" / "emulator.log"
    before = len(log.read_text())
    kill_torchserve(stack)
    folder = stack.home / "twenty"
    folder.mkdir()
    for number, photo in enumerate(photos[:20]):
        shutil.copy(photo, folder / f"{number}.jpg")
    meanwhile = stack.run("drop", str(folder), "--batch", "twenty", "--wait", "--timeout", "8")
    assert meanwhile.returncode == 3
    assert "model server does not answer" in " ".join(meanwhile.stderr.split())
    stack.podium("up")
    stack.podium("watch", "twenty", "--timeout", PATIENCE_S)
    assert [row["status"] for row in stack.results("twenty")] == ["classified"] * 20
    assert "message not postponed" not in log.read_text()[before:]
    assert messages(stack, facts["dlq_url"]) == 0


def test_one_image_delivered_twice_is_one_row(stack: Console, facts: dict[str, str], photos: list[Path]) -> None:
    body = (ROOT / "events" / "sqs-s3-put.json").read_text()
    key = "incoming/twice/ball.jpg"
    put = json.loads(
        stack.shell(f"aws s3api put-object --bucket {facts['input_bucket']} --key {key} --body '{photos[0]}'")
    )
    stack.podium("watch", "twice", "--timeout", PATIENCE_S)
    (first,) = stack.results("twice")
    event = json.loads(json.loads(body)["Records"][0]["body"])
    s3 = event["Records"][0]["s3"]
    s3["bucket"]["name"] = facts["input_bucket"]
    s3["object"] |= {"key": key, "versionId": put["VersionId"], "size": photos[0].stat().st_size}
    s3["object"]["sequencer"] = first["sequencer"]
    (stack.home / "again.json").write_text(json.dumps(event))
    stack.shell(f"aws sqs send-message --queue-url {facts['queue_url']} --message-body file://{stack.home}/again.json")
    wait_until_empty(stack, facts["queue_url"])
    (second,) = stack.results("twice")
    assert second["version_id"] == first["version_id"]
    assert second["classified_at"] > first["classified_at"], "the second delivery was not worked on"
    assert messages(stack, facts["dlq_url"]) == 0


def test_rows_uploads_and_streams_survive_a_restart_of_everything(
    stack: Console, facts: dict[str, str], photos: list[Path]
) -> None:
    before = {row["image"] for row in stack.results("demo")}
    stack.podium("down")
    assert not list(_listeners(stack))
    stack.podium("up")
    assert {row["image"] for row in stack.results("demo")} == before
    stack.podium("drop", str(photos[1]), "--batch", "after", "--wait", "--timeout", PATIENCE_S)
    assert [row["status"] for row in stack.results("after")] == ["classified"]
    summary = f"s3://{facts['results_bucket']}/batches/after/summary.json"
    until("the streams bring rows", lambda: "summary.json" in stack.shell(f"aws s3 ls {summary} || true"))


def test_nothing_listens_beyond_loopback(stack: Console) -> None:
    addresses = list(_listeners(stack))
    assert addresses
    assert {address for address in addresses if address not in {"127.0.0.1", "::1", "::ffff:127.0.0.1"}} == set()


def test_the_endpoint_speaks_nothing_but_tls(stack: Console, facts: dict[str, str]) -> None:
    health = f"{facts['endpoint_url']}/_podium/health"  # needs no signature: only the transport can refuse it
    assert "ready" in stack.shell(f"curl --silent --max-time 60 --cacert $AWS_CA_BUNDLE {health}")
    plain = ["curl", "--silent", "--max-time", "5", health.replace("https:", "http:")]
    done = subprocess.run(plain, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""


def test_the_readme_is_followed_word_for_word(stack: Console, facts: dict[str, str], tmp_path: Path) -> None:
    for name, there in ((".venv", ROOT / ".venv"), (".podium", stack.home), ("events", ROOT / "events")):
        (tmp_path / name).symlink_to(there)
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    offline = [block for block in blocks if not re.search(r"torchserve|sam |~/", block)]  # each has a test of its own
    assert len(offline) == 4
    printed = stack.shell(f"cd '{tmp_path}'\n" + "\n".join(offline))
    assert "top-1" in printed
    assert printed.count("incoming/mine/ball.jpg") >= 2
    assert "été & 100% + ball #1 (copy).jpg" in printed
    assert "tennis ball" in (tmp_path / "monday.csv").read_text()


def test_sam_deploys_by_hand_what_podium_deployed(stack: Console, facts: dict[str, str]) -> None:
    name, version = facts["model"].split("@")
    printed = stack.shell(
        "sam build --config-env local 2>&1\n"
        "sam deploy --config-env local --parameter-overrides "
        f"Architecture=x86_64 ModelServerUrl={facts['model_server_url']} ModelName={name} ModelVersion={version} 2>&1"
    )
    assert "Successfully created/updated stack" in printed or "is up to date" in printed
    assert stack.json("status") == facts


def test_a_named_stack_is_deployed_and_used_as_one_on_aws(
    stack: Console, facts: dict[str, str], photos: list[Path], tmp_path: Path
) -> None:
    """With --stack nothing of the local stack is used, though this shell is for it: here a profile of the person's leads there."""
    printed = stack.shell(
        f"{a_profile_that_leads_there(tmp_path)}\n"
        f"podium deploy --stack second --model-server-url {facts['model_server_url']} --model {facts['model']} "
        "--parameter ModelServers=2 --parameter Architecture=x86_64 --yes >&2\n"
        f"podium drop '{photos[0]}' --batch there --stack second --wait --timeout {PATIENCE_S} --json"
    )
    (row,) = json.loads(printed)
    assert row["status"] == "classified"
    assert row["image"].startswith("s3://second-input-")
    unknown = stack.run("results", "there", "--json")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no batch 'there'" in unknown.stderr


def a_profile_that_leads_there(folder: Path) -> str:
    """The lines of bash after which any AWS tool takes the embedded AWS for the person's account."""
    return (
        f"""echo "[profile emulated]
        endpoint_url = $AWS_ENDPOINT_URL
        ca_bundle = $AWS_CA_BUNDLE
        region = $AWS_REGION
        aws_access_key_id = $AWS_ACCESS_KEY_ID
        aws_secret_access_key = $AWS_SECRET_ACCESS_KEY" | sed 's/^ *//' > '{folder}/config'\n"""
        f"export AWS_CONFIG_FILE='{folder}/config' AWS_PROFILE=emulated"
    )


def messages(stack: Console, queue_url: str) -> int:
    answer = stack.shell(
        f"aws sqs get-queue-attributes --queue-url {queue_url} "
        "--attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible"
    )
    return sum(int(count) for count in json.loads(answer)["Attributes"].values())


def wait_until_empty(stack: Console, queue_url: str) -> None:
    until("the queue is empty", lambda: messages(stack, queue_url) == 0)


def kill_torchserve(stack: Console) -> None:
    """Like a machine that dies: nothing is closed or announced."""
    killed = [process for process in _processes(stack) if "torchserve" in str(process.info["cmdline"]).lower()]
    assert killed
    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(killed, timeout=60)


def _processes(stack: Console) -> list[psutil.Process]:
    """Every process that was started for this home."""
    home = str(stack.home)
    return [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if home in str(process.info["cmdline"]) + str((process.info["environ"] or {}).get("TMPDIR"))
    ]


def _listeners(stack: Console) -> list[str]:
    return [
        connection.laddr.ip
        for process in _processes(stack)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]


def _picture() -> Json:
    from PIL import Image

    return Image.effect_mandelbrot((200, 120), (-2, -1, 1, 1), 100)


def _jpeg() -> bytes:
    data = io.BytesIO()
    _picture().convert("RGB").save(data, "JPEG", quality=95)
    return data.getvalue()


def _encoded(mode: str, form: str, **options: Json) -> bytes:
    data = io.BytesIO()
    _picture().convert(mode).save(data, form, **options)
    return data.getvalue()


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims this size in a hundred bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )
