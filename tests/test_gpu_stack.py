"""What the GPU stack couples to the container, to the proxy and to the core stack, and what it must never allow."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.model_server.client import KEEP_ALIVE_S
from proxy.options import DRAIN_S
from proxy.torchserve.process import STOP_S
from tests.model_server.dockerfile import read_dockerfile

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cfn-lint's own imports warn
    from cfnlint.api import lint
    from cfnlint.decode import decode

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "model_server" / "gpu-stack.yaml"
WITHOUT_A_RESOURCE = {"ecs:DiscoverPollEndpoint", "ecr:GetAuthorizationToken"}  # AWS accepts "*" alone for them
Json = dict[str, Any]


def decoded(path: Path) -> Json:
    template, problems = decode(str(path))
    assert not problems
    return dict(template)


@pytest.fixture(scope="module")
def template() -> Json:
    return decoded(TEMPLATE)


@pytest.fixture(scope="module")
def core() -> Json:
    return decoded(ROOT / "template.yaml")


@pytest.fixture(scope="module")
def resources(template: Json) -> dict[str, Json]:
    return {name: resource["Properties"] for name, resource in template["Resources"].items()}


@pytest.fixture(scope="module")
def server(resources: dict[str, Json]) -> Json:
    return container(resources, "model-server")


def container(resources: dict[str, Json], name: str) -> Json:
    [found] = [it for it in resources["Task"]["ContainerDefinitions"] if it["Name"] == name]
    return dict(found)


def statements(resources: dict[str, Json]) -> Iterator[Json]:
    for properties in resources.values():
        for policy in properties.get("Policies", []):
            yield from policy["PolicyDocument"]["Statement"]


def attributes(entries: list[Json]) -> dict[str, str]:
    return {entry["Key"]: entry["Value"] for entry in entries}


def test_the_template_is_valid() -> None:
    assert lint(TEMPLATE.read_text()) == []


def test_the_page_gives_every_parameter_that_has_no_default_and_no_unknown_one(template: Json) -> None:
    page = (ROOT / "docs" / "serving-with-docker.md").read_text()
    deploy = re.search(r"aws cloudformation deploy .*?\n```", page, re.DOTALL)
    assert deploy
    given = set(re.findall(r"(\w+)=", deploy[0].partition("--parameter-overrides")[2]))
    needed = {name for name, parameter in template["Parameters"].items() if "Default" not in parameter}
    assert needed <= given <= template["Parameters"].keys()


def test_its_outputs_are_parameters_of_the_core_stack(template: Json, core: Json) -> None:
    handed_over = set(template["Outputs"]) - {"LoadBalancer"}
    assert handed_over == {"ModelServerUrl", "ModelServers", "SubnetIds", "SecurityGroupIds"}
    assert handed_over <= core["Parameters"].keys()
    assert template["Outputs"]["SecurityGroupIds"]["Value"] == {"Ref": "LambdaSecurityGroup"}
    url = template["Outputs"]["ModelServerUrl"]["Value"]["Fn::Sub"].replace("${HostName}", "models.example.com")
    assert re.fullmatch(core["Parameters"]["ModelServerUrl"]["AllowedPattern"], url)


def test_as_many_servers_may_run_as_the_core_stack_can_count(template: Json, core: Json) -> None:
    wanted = core["Parameters"]["ModelServers"]["AllowedValues"]
    assert template["Parameters"]["MaxTasks"]["AllowedValues"] == wanted
    hosts = {tasks: row["Hosts"] for tasks, row in template["Mappings"]["Tasks"].items()}
    assert hosts == {tasks: 2 * int(tasks) for tasks in wanted}  # a new version starts beside the old one


def test_the_model_is_called_as_the_core_stack_calls_it(template: Json, core: Json, server: Json) -> None:
    ours, theirs = (parameters["Parameters"]["ModelName"] for parameters in (template, core))
    assert (ours["Default"], ours["AllowedPattern"]) == (theirs["Default"], theirs["AllowedPattern"])
    assert server["Command"][:2] == ["--models", {"Fn::Sub": "${ModelName}=model.mar"}]


def scaling_alarms(template: Json) -> dict[str, Json]:
    """The alarms that set the capacity, by the policy that each of them invokes."""
    kinds = {name: it["Type"] for name, it in template["Resources"].items()}
    policies = {name for name, kind in kinds.items() if kind == "AWS::ApplicationAutoScaling::ScalingPolicy"}
    alarms = {
        action["Ref"]: template["Resources"][name]["Properties"]
        for name, kind in kinds.items()
        if kind == "AWS::CloudWatch::Alarm"
        for action in template["Resources"][name]["Properties"].get("AlarmActions", [])
        if isinstance(action, dict) and action.get("Ref") in policies
    }
    assert alarms.keys() == policies
    return alarms


def test_the_scaling_watches_the_core_stacks_queue_and_neither_requests_nor_ecs(template: Json, core: Json) -> None:
    """The gate's probes are requests, too: they would keep a GPU awake for ever. At zero tasks ECS has no figures."""
    name = core["Resources"]["ImagesQueue"]["Properties"]["QueueName"]["Fn::Sub"]
    queue = {"Fn::Sub": name.replace("${AWS::StackName}", "${CoreStackName}")}
    for alarm in scaling_alarms(template).values():
        watched = [metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric]
        assert {metric["Namespace"] for metric in watched} == {"AWS/SQS"}
        assert all(metric["Dimensions"] == [{"Name": "QueueName", "Value": queue}] for metric in watched)
        assert {metric["MetricName"] for metric in watched} == {
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
        }


def test_the_policies_never_fight(template: Json, resources: dict[str, Json]) -> None:
    """They look at one number over one window: above zero one alarm rings, at zero the other, without it none."""
    alarms = scaling_alarms(template)
    assert {resources[name]["PolicyType"] for name in alarms} == {
        "StepScaling"
    }  # tracking would have alarms of its own
    up, down = alarms["BacklogSteps"], alarms["Sleep"]
    assert len(alarms) == 2
    assert up["Metrics"] == down["Metrics"]
    assert (up["ComparisonOperator"], up["Threshold"]) == ("GreaterThanThreshold", 0)
    assert (down["ComparisonOperator"], down["Threshold"]) == ("LessThanOrEqualToThreshold", 0)
    for alarm in alarms.values():
        expression, *stats = alarm["Metrics"]
        assert expression["Expression"] == {"Fn::Sub": "(visible + taken) / ${MessagesPerTask}"}
        assert {json.dumps(it["MetricStat"]["Period"]) for it in stats} == {json.dumps({"Ref": "IdleSeconds"})}
        assert {it["MetricStat"]["Stat"] for it in stats} == {
            "Maximum"
        }  # of the window: less is believed only after it
        assert (alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (1, "notBreaching")
        assert "EvaluationWindow" not in alarm  # sliding, by default


def test_every_backlog_has_its_number_of_tasks_and_more_never_has_fewer(
    template: Json, resources: dict[str, Json]
) -> None:
    config = resources["BacklogSteps"]["StepScalingPolicyConfiguration"]
    steps = config["StepAdjustments"]
    bounds = [(it["MetricIntervalLowerBound"], it.get("MetricIntervalUpperBound")) for it in steps]
    assert config["AdjustmentType"] == "ExactCapacity"
    assert bounds[0][0] == 0
    assert [upper for _, upper in bounds] == [*(lower for lower, _ in bounds[1:]), None]
    tasks = [it["ScalingAdjustment"] for it in steps]
    assert [upper or tasks[-1] for _, upper in bounds] == tasks  # enough for the most that a step stands for
    assert tasks == [int(most) for most in template["Parameters"]["MaxTasks"]["AllowedValues"]]
    [sleep] = resources["Sleep"]["StepScalingPolicyConfiguration"]["StepAdjustments"]
    assert sleep == {"MetricIntervalUpperBound": 0, "ScalingAdjustment": 0}
    assert resources["Sleep"]["StepScalingPolicyConfiguration"]["AdjustmentType"] == "ExactCapacity"


def test_a_gpu_that_runs_for_nothing_is_told_unless_a_person_wants_one_awake(resources: dict[str, Json]) -> None:
    expression, *stats = resources["IdleAlarm"]["Metrics"]
    assert expression["Expression"]["Fn::Sub"].endswith("FILL(running, 0) - ${MinTasks}, 0)")
    assert {it["MetricStat"]["Metric"]["Namespace"] for it in stats} == {"AWS/SQS", "ECS/ContainerInsights"}
    assert resources["Cluster"]["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enabled"}]


def test_nothing_runs_while_nothing_waits_and_an_update_does_not_change_how_many_do(
    template: Json, resources: dict[str, Json]
) -> None:
    assert template["Parameters"]["MinTasks"]["Default"] == "0"
    assert resources["Scaling"]["MinCapacity"] == {"Ref": "MinTasks"}
    assert resources["Hosts"]["MinSize"] == "0"
    assert "DesiredCount" not in resources["Service"]
    distribution = resources["Hosts"]["MixedInstancesPolicy"]["InstancesDistribution"]
    assert (distribution["OnDemandBaseCapacity"], distribution["OnDemandPercentageAboveBaseCapacity"]) == (0, 0)


def test_every_place_that_can_cut_a_drain_waits_for_it(resources: dict[str, Json], server: Json) -> None:
    host = resources["HostTemplate"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    [host_s] = re.findall(r"^ECS_CONTAINER_STOP_TIMEOUT=(\d+)s$", host, re.MULTILINE)
    assert int(attributes(resources["Targets"]["TargetGroupAttributes"])["deregistration_delay.timeout_seconds"]) >= (
        DRAIN_S
    )
    assert DRAIN_S + STOP_S <= server["StopTimeout"] <= int(host_s)
    assert "--drain-s" not in server["Command"]


def test_a_connection_is_dropped_by_the_client_first_and_by_the_proxy_last(
    resources: dict[str, Json], core: Json
) -> None:
    """Whoever drops it later never sends a request into one that is already gone."""
    balancer_s = int(attributes(resources["Balancer"]["LoadBalancerAttributes"])["idle_timeout.timeout_seconds"])
    [proxy_s] = re.findall(
        r"keep_alive_s: float = ([\d.]+)", (ROOT / "model_server/proxy/http/connections.py").read_text()
    )
    assert KEEP_ALIVE_S < balancer_s < float(proxy_s)
    variables = core["Resources"]["ClassifyFunction"]["Properties"]["Environment"]["Variables"]
    assert int(variables["PREDICT_TIMEOUT_S"]) < balancer_s


def test_one_port_leads_from_the_balancer_to_the_proxy_and_no_other_is_open(
    resources: dict[str, Json], server: Json
) -> None:
    [exposed] = read_dockerfile().of("EXPOSE")
    port = int(exposed)
    assert server["PortMappings"] == [{"ContainerPort": port}]
    assert resources["Targets"]["Port"] == resources["Service"]["LoadBalancers"][0]["ContainerPort"] == port
    opened = resources["BalancerMayAskTasks"]
    assert (opened["FromPort"], opened["ToPort"]) == (port, port)
    assert opened["SourceSecurityGroupId"] == {"Ref": "BalancerSecurityGroup"}
    ingress = [rule for it in resources.values() for rule in it.get("SecurityGroupIngress", [])]
    assert [(rule["FromPort"], rule["SourceSecurityGroupId"]) for rule in ingress] == [
        (443, {"Ref": "LambdaSecurityGroup"})
    ]


def test_tls_1_3_ends_at_a_balancer_that_the_internet_does_not_reach(resources: dict[str, Json]) -> None:
    assert resources["Listener"]["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-3-2021-06"
    assert resources["Balancer"]["Scheme"] == "internal"


def test_health_is_what_the_proxys_ping_says_as_in_the_image(resources: dict[str, Json], server: Json) -> None:
    assert resources["Targets"]["HealthCheckPath"] == "/ping"
    [check] = read_dockerfile().of("HEALTHCHECK")
    assert server["HealthCheck"]["Command"] == ["CMD", *json.loads(check.partition("CMD ")[2])]


def test_the_image_and_the_archive_are_those_that_a_person_named(template: Json, resources: dict[str, Json]) -> None:
    assert container(resources, "model-server")["Image"]["Fn::Sub"].endswith("/${ImageRepository}@${ImageDigest}")
    for digest in ("ImageDigest", "FetchImage", "ModelSha256"):
        assert "[0-9a-f]{64}" in template["Parameters"][digest]["AllowedPattern"]
        assert "Default" not in template["Parameters"][digest]
    assert container(resources, "model-server")["DependsOn"] == [{"ContainerName": "fetch", "Condition": "SUCCESS"}]


@pytest.mark.parametrize("name", ["fetch", "model-server"])
def test_a_container_can_change_nothing_and_gain_nothing(resources: dict[str, Json], name: str) -> None:
    properties = container(resources, name)
    assert properties["ReadonlyRootFilesystem"] is True
    assert properties["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert "Secrets" not in properties
    assert "Privileged" not in properties


def test_the_server_runs_as_the_images_user_and_cannot_change_its_archive(server: Json) -> None:
    assert [server["User"]] == read_dockerfile().of("USER")
    assert [mount["ReadOnly"] for mount in server["MountPoints"]] == [True]
    assert [it["ContainerPath"] for it in server["LinuxParameters"]["Tmpfs"]] == ["/tmp"]


def test_no_permission_is_wider_than_aws_lets_it_be(resources: dict[str, Json]) -> None:
    assert not [name for name, properties in resources.items() if "ManagedPolicyArns" in properties]
    for statement in statements(resources):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions), statement
        assert statement["Resource"] != "*" or set(actions) <= WITHOUT_A_RESOURCE, statement


def test_the_task_may_read_one_version_of_one_object(resources: dict[str, Json]) -> None:
    [policy] = resources["TaskRole"]["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "s3:GetObjectVersion"
    assert statement["Resource"]["Fn::Sub"].endswith(":::${ModelBucket}/${ModelKey}")
    assert statement["Condition"] == {"StringEquals": {"s3:versionid": {"Ref": "ModelObjectVersion"}}}


@pytest.mark.parametrize(("sent", "taken"), [(b"the archive", True), (b"another one", False)])
def test_an_archive_is_there_only_when_its_digest_is_right(
    resources: dict[str, Json], tmp_path: Path, sent: bytes, taken: bool
) -> None:
    """The container's own script, with an `aws` that writes $SENT and keeps its arguments."""
    fetch, models = container(resources, "fetch"), tmp_path / "models"
    models.mkdir()
    aws = tmp_path / "aws"
    aws.write_text('#!/bin/sh\nfor last; do :; done\nprintf %s "$SENT" > "$last"\necho "$@" > "$ARGUMENTS"\n')
    aws.chmod(0o755)
    [script] = fetch["Command"]
    values = {"BUCKET": "models", "KEY": "balls.mar", "OBJECT_VERSION": "v1", "SENT": sent.decode()}
    values |= {"SHA256": hashlib.sha256(b"the archive").hexdigest(), "ARGUMENTS": str(tmp_path / "arguments")}
    ran = subprocess.run(
        [*fetch["EntryPoint"], script.replace("/models", str(models))],
        env=values | {"PATH": f"{tmp_path}{os.pathsep}/usr/bin:/bin"}, check=False, capture_output=True,
    )  # fmt: skip
    assert (ran.returncode == 0, (models / "model.mar").exists()) == (taken, taken)
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[:-1] == ["s3api", "get-object", "--bucket", "models", "--key", "balls.mar", "--version-id", "v1"]
    assert {variable["Name"] for variable in fetch["Environment"]} == {*values, "AWS_REGION"} - {"SENT", "ARGUMENTS"}
