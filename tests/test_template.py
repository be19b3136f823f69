"""What the template couples to other files and to itself, so that nobody changes one side alone."""

from __future__ import annotations

import graphlib
import json
import re
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline.classify.clock import REPORTING_S
from pipeline.classify.fetch import FETCHING_S
from pipeline.classify.groups import REQUEST_BYTES
from pipeline.classify.handler import IMAGES_AT_ONCE
from pipeline.contracts import INCOMING_PREFIX, RESULTS_PREFIX
from pipeline.model_server.client import IMAGES_A_TAR
from pipeline.model_server.tar import tar_of
from pipeline.settings import (
    BackfillSettings,
    FinishSettings,
    GateSettings,
    ReconcileSettings,
    RollbackSettings,
    Settings,
)
from podium.care.rollout import ARCHIVES_TOGETHER_BYTES
from tests.gates import templates

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cfn-lint's own imports warn
    from cfnlint.api import lint
    from cfnlint.decode import decode

ROOT = Path(__file__).parents[1]
DAY_S = 24 * 3600
DROUGHT_S = 9 * DAY_S  # without a server, or before somebody has deployed a model
SLOW_IMAGES_A_SECOND = 5  # of a server without a GPU, on a busy machine
LARGEST_PICTURE_BYTES = 1_200_000_000  # while it is read, transparent, 50 million pixels
ENGINE_BYTES = 1_000_000_000  # the libraries, and a model of 350 MB
STORING_S = 6.0  # an AWS client gives up its first try after 5
Json = dict[str, Any]
SETTINGS: dict[str, type[BaseModel]] = {
    "ClassifyFunction": Settings,
    "GateFunction": GateSettings,
    "FinishFunction": FinishSettings,
    "BackfillFunction": BackfillSettings,
    "ReconcileFunction": ReconcileSettings,
    "RollbackFunction": RollbackSettings,
}


@pytest.fixture(scope="module")
def template() -> Json:
    decoded, problems = decode(str(ROOT / "template.yaml"))
    assert not problems
    return dict(decoded)


@pytest.fixture(scope="module")
def translated() -> Json:
    """The template as CloudFormation gets it."""
    return templates.translated(ROOT / "template.yaml")


@pytest.fixture(scope="module")
def resources(template: Json) -> Json:
    return dict(template["Resources"])


def of_type(resources: Json, kind: str) -> dict[str, Json]:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def statements(resources: Json) -> Iterator[Json]:
    """Every policy statement of the template, of roles and of resources."""
    for properties in (resource.get("Properties", {}) for resource in resources.values()):
        for policy in [properties, *properties.get("Policies", [])]:
            for statement in policy.get("PolicyDocument", {}).get("Statement", []):
                conditional = statement.get("Fn::If")  # [condition, the statement, no value]
                yield conditional[1] if conditional else statement


def server_properties() -> dict[str, str]:
    lines = (ROOT / "model_server" / "config.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_translated_template_is_valid_and_has_no_circular_dependency(translated: Json) -> None:
    """cfn-lint passes a cyclic SAM template; only the translated one shows the circle."""
    assert lint(json.dumps(translated)) == []
    names = translated["Resources"].keys()
    graph = {name: set(_named(resource)) & names for name, resource in translated["Resources"].items()}
    graphlib.TopologicalSorter(graph).prepare()


def _named(part: object) -> Iterator[str]:
    """Every logical name that a part of the template refers to."""
    if isinstance(part, list):
        for item in part:
            yield from _named(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value[0] if isinstance(value, list) else value.split(".")[0]
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{(\w+)", value if isinstance(value, str) else value[0])
            elif key == "DependsOn":
                yield from [value] if isinstance(value, str) else value
            yield from _named(value)


def test_a_message_stays_hidden_for_six_timeouts_and_the_batching_window(resources: Json) -> None:
    function = resources["ClassifyFunction"]["Properties"]
    window = function["Events"]["Images"]["Properties"]["MaximumBatchingWindowInSeconds"]
    queue = resources["ImagesQueue"]["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + window
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5


def test_dead_letters_are_kept_longer_than_the_queue_keeps_messages(resources: Json) -> None:
    queues = of_type(resources, "AWS::SQS::Queue")
    kept_s, dead_s = (queues[name]["MessageRetentionPeriod"] for name in ("ImagesQueue", "ImagesDeadLetterQueue"))
    assert kept_s >= DROUGHT_S
    assert dead_s - kept_s >= 3 * DAY_S, "a dead letter keeps its first time stamp, and somebody may be on holiday"


def test_images_in_flight_leave_a_fifth_of_every_servers_queue_free(template: Json) -> None:
    """At the worst, each is a request of its own."""
    batch_size = template["Resources"]["ClassifyFunction"]["Properties"]["Events"]["Images"]["Properties"]["BatchSize"]
    job_queue = int(server_properties()["job_queue_size"])
    for servers, row in template["Mappings"]["Servers"].items():
        in_flight, room = row["MaxConcurrency"] * batch_size, 0.8 * job_queue * int(servers)
        assert in_flight == room, (
            f"{servers} servers: change concurrency, batch size and the server's job queue together"
        )
    assert list(template["Mappings"]["Servers"]) == template["Parameters"]["ModelServers"]["AllowedValues"]


def test_a_backfill_pauses_before_the_queue_holds_more_than_is_answered_in_time(template: Json) -> None:
    """After a drought as long as is promised, what the slowest server answers is answered before SQS deletes it."""
    function = template["Resources"]["ClassifyFunction"]["Properties"]
    batch_size = function["Events"]["Images"]["Properties"]["BatchSize"]
    left_s = template["Resources"]["ImagesQueue"]["Properties"]["MessageRetentionPeriod"] - DROUGHT_S
    for servers, row in template["Mappings"]["Servers"].items():
        assert int(row["PauseAbove"]) / (int(servers) * SLOW_IMAGES_A_SECOND) == left_s
    for row in template["Mappings"]["AtOnce"].values():
        slowest = row["MaxConcurrency"] * batch_size / function["Timeout"]
        assert int(row["PauseAbove"]) / slowest == left_s


def test_the_server_takes_every_image_that_the_function_sends(resources: Json) -> None:
    variables = resources["ClassifyFunction"]["Properties"]["Environment"]["Variables"]
    assert int(server_properties()["max_request_size"]) > int(variables["MAX_IMAGE_BYTES"])


def test_the_server_takes_every_request_of_many_images_that_the_function_makes() -> None:
    around_bytes = sum(len(piece) for piece in tar_of([b"1"] * IMAGES_A_TAR))
    assert int(server_properties()["max_request_size"]) > REQUEST_BYTES + around_bytes


def test_the_function_can_hold_a_full_batch_of_the_largest_images(resources: Json) -> None:
    function = resources["ClassifyFunction"]["Properties"]
    batch_size = function["Events"]["Images"]["Properties"]["BatchSize"]
    largest = int(function["Environment"]["Variables"]["MAX_IMAGE_BYTES"])
    here, server = function["MemorySize"]["Fn::If"][1:]
    assert batch_size * largest * 2 < server * 2**20 / 2
    assert batch_size * largest * 2 + LARGEST_PICTURE_BYTES + ENGINE_BYTES < here * 2**20


def test_the_function_can_hold_the_candidate_of_a_rollout_beside_its_model(resources: Json) -> None:
    """docs/rollout.md: engine, two readers, and 2.5 MB of memory for each MB of the two archives."""
    function = resources["ClassifyFunction"]["Properties"]
    images = function["Events"]["Images"]["Properties"]["BatchSize"] * 2
    largest = int(function["Environment"]["Variables"]["MAX_IMAGE_BYTES"])
    models = 130_000_000 + 2 * 50_000_000 + 2.5 * ARCHIVES_TOGETHER_BYTES
    here = function["MemorySize"]["Fn::If"][1] * 2**20
    assert images * largest + LARGEST_PICTURE_BYTES + models < here
    disk = function["EphemeralStorage"]["Size"]["Fn::If"][1] * 2**20
    assert disk > 3 * ARCHIVES_TOGETHER_BYTES, "one is unpacked, the other is fetched and unpacked"


def test_every_alarm_about_a_candidate_rolls_it_back_and_informs_a_person(resources: Json) -> None:
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    actions = {name: [it["Ref"] for it in alarm["AlarmActions"]] for name, alarm in alarms.items()}
    ending = {name for name, topics in actions.items() if "RolloutTopic" in topics}
    assert ending == {"RolloutDisagreementAlarm", "RolloutErrorsAlarm", "VersionMismatchAlarm", "ClassifyErrorsAlarm"}
    assert all("AlarmTopic" in actions[name] for name in ending)
    event = resources["RollbackFunction"]["Properties"]["Events"]["RolloutAlarm"]
    assert event == {"Type": "SNS", "Properties": {"Topic": {"Ref": "RolloutTopic"}}}


def test_the_ledger_opens_nothing_but_rollouts_to_the_functions_that_follow_them(resources: Json) -> None:
    keys = {
        it["Sid"]: next(iter(it["Condition"].values()))["dynamodb:LeadingKeys"]
        for it in statements(resources)
        if "dynamodb:LeadingKeys" in str(it.get("Condition"))
    }
    assert keys == {"FollowRollouts": ["rollout", "rollout/*"], "EndTheRollout": ["rollout"]}


SERVERS_OWN = {"GateFunction", "GateRole", "GateLogs", "ServerTopic", "ServerTopicPolicy", "ServerDownAlarm"}


def test_what_guards_a_server_is_made_only_with_one_and_the_layer_only_without(resources: Json) -> None:
    conditions = {name: it["Condition"] for name, it in resources.items() if "Condition" in it}
    assert conditions == dict.fromkeys(SERVERS_OWN, "HasServer") | {
        "EngineLayer": "ModelHere",
        "AlarmMail": "HasAlarmEmail",
    }
    for name, resource in resources.items():  # and nothing that is always made needs what is not
        if name not in SERVERS_OWN:
            assert not SERVERS_OWN & set(_named(resource)), name


@pytest.mark.parametrize("condition", ["InVpc", "HasToken"])
def test_without_a_server_no_function_is_in_a_vpc_or_may_read_a_token_whatever_was_deployed_before(
    template: Json, condition: str
) -> None:
    """A stack that goes back to the model inside the function keeps the parameters of its server."""
    first, given = template["Conditions"][condition]["Fn::And"]
    assert first == {"Condition": "HasServer"}
    assert given["Fn::Not"][0]["Fn::Equals"][1] == ""


def test_a_slow_server_answers_all_that_is_in_flight_within_the_time_of_one_request(template: Json) -> None:
    function = template["Resources"]["ClassifyFunction"]["Properties"]
    batch_size = function["Events"]["Images"]["Properties"]["BatchSize"]
    for servers, row in template["Mappings"]["Servers"].items():
        longest_s = row["MaxConcurrency"] * batch_size / int(servers) / SLOW_IMAGES_A_SECOND
        assert longest_s < int(function["Environment"]["Variables"]["PREDICT_TIMEOUT_S"])


def test_images_may_be_sent_together_and_then_alone_and_stored_within_the_functions_time(resources: Json) -> None:
    function = resources["ClassifyFunction"]["Properties"]
    asking_s = 2 * int(function["Environment"]["Variables"]["PREDICT_TIMEOUT_S"])
    assert FETCHING_S + asking_s + STORING_S + REPORTING_S <= function["Timeout"]


@pytest.mark.parametrize("function", SETTINGS)
def test_a_function_gets_the_settings_that_it_reads_and_no_others(resources: Json, function: str) -> None:
    variables = resources[function]["Properties"]["Environment"]["Variables"]
    ours = {name for name in variables if not name.startswith("POWERTOOLS_")}
    assert ours == {name.upper() for name in SETTINGS[function].model_fields}


def test_every_function_is_one_whose_settings_are_known(resources: Json) -> None:
    assert of_type(resources, "AWS::Serverless::Function").keys() == SETTINGS.keys()


def test_the_function_buries_what_the_queue_would_not_hand_out_again(resources: Json) -> None:
    variables = resources["ClassifyFunction"]["Properties"]["Environment"]["Variables"]
    redrive = resources["ImagesQueue"]["Properties"]["RedrivePolicy"]
    assert int(variables["MAX_RECEIVES"]) == redrive["maxReceiveCount"]


def test_every_function_has_a_role_and_a_log_group_of_its_own(resources: Json) -> None:
    functions = of_type(resources, "AWS::Serverless::Function")
    for name, properties in functions.items():
        own = name.removesuffix("Function")
        assert properties["Role"] == {"Fn::GetAtt": [f"{own}Role", "Arn"]}
        assert properties["LoggingConfig"]["LogGroup"] == {"Ref": f"{own}Logs"}


def test_every_image_of_an_invocation_has_a_thread_and_a_connection(resources: Json) -> None:
    event = resources["ClassifyFunction"]["Properties"]["Events"]["Images"]["Properties"]
    assert event["BatchSize"] <= IMAGES_AT_ONCE


def test_a_full_sqs_batch_may_be_one_request(resources: Json) -> None:
    assert resources["ClassifyFunction"]["Properties"]["Events"]["Images"]["Properties"]["BatchSize"] <= IMAGES_A_TAR


def test_failed_messages_are_reported_one_by_one(resources: Json) -> None:
    event = resources["ClassifyFunction"]["Properties"]["Events"]["Images"]["Properties"]
    assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_no_permission_is_a_wildcard(resources: Json) -> None:
    for statement in statements(resources):
        if statement["Effect"] == "Allow":
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not any("*" in action for action in actions), statement
            assert statement.get("Resource") != "*", statement


@pytest.mark.parametrize("kind", ["AWS::S3::Bucket", "AWS::SQS::Queue"])
def test_every_bucket_and_queue_refuses_anything_but_tls(resources: Json, kind: str) -> None:
    denied = str([s for s in statements(resources) if s["Effect"] == "Deny" and s["Sid"] == "TlsOnly"])
    for name in of_type(resources, kind):
        assert f"'{name}'" in denied, name


def test_every_bucket_is_private_encrypted_and_kept(resources: Json) -> None:
    for name, properties in of_type(resources, "AWS::S3::Bucket").items():
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert properties["BucketEncryption"]
        assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_only_the_input_bucket_may_send_to_the_queue(resources: Json) -> None:
    sender = resources["ImagesQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert sender["Principal"] == {"Service": "s3.amazonaws.com"}
    assert "aws:SourceAccount" in sender["Condition"]["StringEquals"]
    bucket_name = resources["InputBucket"]["Properties"]["BucketName"]["Fn::Sub"]
    assert sender["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"].endswith(f":::{bucket_name}")


def test_no_notification_covers_a_key_that_the_function_may_write(resources: Json) -> None:
    """A result that triggered a classification would go round for ever."""
    notified = resources["InputBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert [rule["Filter"]["S3Key"]["Rules"] for rule in notified] == [[{"Name": "prefix", "Value": INCOMING_PREFIX}]]
    assert "NotificationConfiguration" not in resources["ResultsBucket"]["Properties"]
    written = [s["Resource"]["Fn::Sub"] for s in statements(resources) if s.get("Sid") == "WriteResults"]
    assert written == [f"${{ResultsBucket.Arn}}/{RESULTS_PREFIX}*"]


def test_the_notification_has_no_suffix_rule(resources: Json) -> None:
    """Suffixes are case-sensitive: ball.JPG would silently never be classified."""
    assert "suffix" not in str(resources["InputBucket"]["Properties"]["NotificationConfiguration"]).lower()


def test_every_log_group_forgets(resources: Json) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert groups
    assert all(group["RetentionInDays"] <= 90 for group in groups.values())


def test_dead_letters_raise_an_alarm(resources: Json) -> None:
    watched = [str(alarm["Dimensions"]) for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()]
    assert any("ImagesDeadLetterQueue" in dimensions for dimensions in watched)


def test_reserved_concurrency_never_undercuts_the_pollers(resources: Json) -> None:
    for function in of_type(resources, "AWS::Serverless::Function").values():
        assert "ReservedConcurrentExecutions" not in function


def test_samconfig_names_only_parameters_that_the_template_has(template: Json) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    overrides = " ".join(
        command["parameters"].get("parameter_overrides", "")
        for environment in config.values()
        if isinstance(environment, dict)
        for command in environment.values()
    )
    named = {pair.split("=")[0] for pair in overrides.split()}
    assert named
    assert named <= template["Parameters"].keys()


def dashboard(resources: Json, *, server: bool) -> list[Json]:
    """The widgets of a stack with a model server, or of one without."""
    text, own = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    shape = own["OfTheShape"]["Fn::If"][1 if server else 2]["Fn::Sub"]
    widgets: list[Json] = json.loads(re.sub(r"\$\{[^}]+\}", "x", text.replace("${OfTheShape}", shape)))["widgets"]
    return widgets


def shown_by(widgets: list[Json]) -> set[str]:
    """Metrics of ours that they show."""
    names, namespace, before = set(), None, None
    for metric in (metric for widget in widgets for metric in widget["properties"]["metrics"]):
        if (
            isinstance(metric[0], str) and len(metric) > 1 and isinstance(metric[1], str)
        ):  # "." repeats, "..." is the last
            namespace = namespace if metric[0] == "." else metric[0]
            before = before if metric[1] == "." else metric[1]
            names |= {before} if namespace == "Podium" else set()
    return {name for name in names if name}


def test_the_dashboard_and_the_alarms_show_metrics_that_the_functions_write(resources: Json) -> None:
    names = shown_by(dashboard(resources, server=True)) | shown_by(dashboard(resources, server=False))
    names |= {
        it["MetricName"] for it in of_type(resources, "AWS::CloudWatch::Alarm").values() if it["Namespace"] == "Podium"
    }
    written = "".join(path.read_text() for path in (ROOT / "functions" / "pipeline").rglob("*.py"))
    assert {"ImagesClassified", "GateClosed", "UploadsOverdue", "ModelUnavailable", "PredictLatency"} <= names
    assert {name for name in names if f'"{name}"' not in written} == set()


def test_the_dashboard_shows_the_gate_only_with_a_server_and_the_model_s_loading_only_without(resources: Json) -> None:
    served, here = (dashboard(resources, server=it) for it in (True, False))
    only_served = shown_by(served) - shown_by(here)
    assert (only_served, shown_by(here) - shown_by(served)) == ({"GateClosed"}, {"ModelLoadLatency"})
    assert not any("gate" in widget["properties"]["title"].lower() for widget in here)


@pytest.mark.parametrize("server", [True, False])
def test_no_widget_of_the_dashboard_lies_on_another(resources: Json, server: bool) -> None:
    taken = [
        (x, y)
        for it in dashboard(resources, server=server)
        for x in range(it["x"], it["x"] + it["width"])
        for y in range(it["y"], it["y"] + it["height"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
