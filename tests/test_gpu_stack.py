"""What the GPU stack couples to the container, to the proxy and to the core stack, and what it must never allow."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

import fetch
from pipeline.model_server.client import KEEP_ALIVE_S
from podium.doctor.gpu import MACHINES
from proxy.options import read_options
from proxy.torchserve.process import STOP_S
from tests.model_server.dockerfile import read_dockerfile

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cfn-lint's own imports warn
    from cfnlint.api import lint
    from cfnlint.decode import decode

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "model_server" / "gpu-stack.yaml"
WITHOUT_A_RESOURCE = {"ecs:DiscoverPollEndpoint", "ecr:GetAuthorizationToken"}  # AWS accepts "*" alone for them
SPOT_NOTICE_S = 120
NOTICE_SEEN_S = 30  # until the agent has seen it and ECS has begun to drain; AWS states no figure
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


def test_its_outputs_are_parameters_of_the_core_stack(template: Json, core: Json) -> None:
    handed_over = set(template["Outputs"]) - {"LoadBalancer"}
    assert handed_over == {"ModelServerUrl", "ModelServers", "SubnetIds", "SecurityGroupIds"}
    assert handed_over <= core["Parameters"].keys()
    assert template["Outputs"]["SecurityGroupIds"]["Value"] == {"Ref": "LambdaSecurityGroup"}
    _, with_tls, plain = template["Outputs"]["ModelServerUrl"]["Value"]["Fn::If"]
    for url in (with_tls, plain):
        address = re.sub(r"\$\{[\w.]+\}", "models.example.com", url["Fn::Sub"])
        assert re.fullmatch(core["Parameters"]["ModelServerUrl"]["AllowedPattern"], address)


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


def seconds_of_a_drain(resources: dict[str, Json], server: Json) -> tuple[float, float]:
    """How long the load balancer lets requests end, and then the proxy."""
    balancer = attributes(resources["Targets"]["TargetGroupAttributes"])["deregistration_delay.timeout_seconds"]
    command = [str(word) for word in server["Command"]]
    return float(balancer), float(command[command.index("--drain-s") + 1])


def test_every_place_that_can_cut_a_drain_waits_for_it(
    resources: dict[str, Json], server: Json, core: Json, tmp_path: Path
) -> None:
    host = resources["HostTemplate"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    [host_s] = re.findall(r"^ECS_CONTAINER_STOP_TIMEOUT=(\d+)s$", host, re.MULTILINE)
    balancer_s, proxy_s = seconds_of_a_drain(resources, server)
    variables = core["Resources"]["ClassifyFunction"]["Properties"]["Environment"]["Variables"]
    assert float(variables["PREDICT_TIMEOUT_S"]) < min(balancer_s, proxy_s)  # no function waits longer for a request
    assert proxy_s + STOP_S <= server["StopTimeout"] <= int(host_s)
    (tmp_path / "model.mar").touch()
    words = [word if isinstance(word, str) else "balls=model.mar" for word in server["Command"]]
    taken = read_options(["--model-store", str(tmp_path), "--listen", "0.0.0.0:8080", *words])
    assert taken.drain_s == proxy_s


def test_a_drain_is_over_before_spot_takes_the_machine_back(resources: dict[str, Json], server: Json) -> None:
    """One after the other: the notice is seen, the load balancer's wait, SIGTERM and all that a container may take to end."""
    host = resources["HostTemplate"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    assert "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true" in host
    balancer_s, _ = seconds_of_a_drain(resources, server)
    assert NOTICE_SEEN_S + balancer_s + server["StopTimeout"] <= SPOT_NOTICE_S


def test_a_task_on_a_machine_that_spot_takes_back_does_not_wait_for_its_replacement(
    resources: dict[str, Json],
) -> None:
    """A machine takes minutes to come; with more than 0 percent, ECS would not begin to drain the only task before."""
    assert resources["Service"]["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0


def test_the_machines_have_gpus_of_one_generation_and_compute_in_bf16(
    template: Json, resources: dict[str, Json]
) -> None:
    families = template["Mappings"]["Gpus"]
    assert set(template["Parameters"]["GpuFamily"]["AllowedValues"]) == set(families)
    capability = {"g6": "8.9", "g6e": "8.9", "g5": "8.6"}  # L4, L40S, A10G; bf16 from 8.0 on
    for types in families.values():
        assert len({capability[each.partition(".")[0]] for each in types.values()}) == 1
    overrides = resources["Hosts"]["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert [it["InstanceType"]["Fn::FindInMap"][2] for it in overrides] == list(families["g6"])
    assert template["Parameters"]["GpuFamily"]["Default"] == "g6"
    assert tuple(families["g6"].values()) == MACHINES  # those that `podium doctor` looks for


@pytest.mark.parametrize(("state", "bought"), [("ALARM", 3), ("OK", 0)])
def test_machines_are_bought_on_demand_while_spot_has_none_and_then_no_more(
    resources: dict[str, Json], monkeypatch: pytest.MonkeyPatch, state: str, bought: int
) -> None:
    """The template's function with the event that an alarm sends; botocore checks its request, which goes nowhere.

    Not on moto: it wants the launch template again, which AWS does not when a group is changed.
    """
    session = boto3.Session("id", "secret", region_name="us-east-1")
    sent: list[Json] = []
    session.events.register("provide-client-params", lambda params, **_: sent.append(params))
    answered: Any = (SimpleNamespace(status_code=200), {})
    session.events.register("before-call.auto-scaling.UpdateAutoScalingGroup", lambda **_: answered)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    monkeypatch.setenv("GROUP", "hosts")
    monkeypatch.setenv("ON_DEMAND_HOSTS", "3")
    namespace: Json = {}
    exec(resources["DroughtFunction"]["Code"]["ZipFile"], namespace)
    namespace["lambda_handler"]({"alarmData": {"state": {"value": state}}}, None)
    as_deployed = resources["Hosts"]["MixedInstancesPolicy"]["InstancesDistribution"]
    policy = {"InstancesDistribution": {**as_deployed, "OnDemandBaseCapacity": bought}}
    assert sent == [{"AutoScalingGroupName": "hosts", "MixedInstancesPolicy": policy}]


def test_a_drought_is_machines_wanted_and_none_there_for_ten_minutes(resources: dict[str, Json]) -> None:
    alarm = resources["Drought"]
    watched = {metric["Id"]: metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric}
    collected = resources["Hosts"]["MetricsCollection"][0]["Metrics"]
    assert {metric["MetricName"] for metric in watched.values()} == set(collected)
    assert {str(metric["Dimensions"][0]["Value"]) for metric in watched.values()} == {"{'Ref': 'Hosts'}"}
    assert alarm["EvaluationPeriods"] * alarm["Metrics"][1]["MetricStat"]["Period"] == 600
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Fn::GetAtt": ["DroughtFunction", "Arn"]}]


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
    [ingress] = [rule for it in resources.values() for rule in it.get("SecurityGroupIngress", [])]
    assert (resources["Listener"]["Port"], resources["PlainListener"]["Port"]) == (443, 80)
    assert ingress["FromPort"] == ingress["ToPort"] == {"Fn::If": ["EndsTls", 443, 80]}
    assert ingress["SourceSecurityGroupId"] == {"Ref": "LambdaSecurityGroup"}


def test_tls_1_3_ends_at_a_balancer_that_the_internet_does_not_reach(resources: dict[str, Json]) -> None:
    listener = resources["Listener"]
    assert (listener["Protocol"], listener["SslPolicy"]) == ("HTTPS", "ELBSecurityPolicy-TLS13-1-3-2021-06")
    assert listener["Certificates"] == [{"CertificateArn": {"Ref": "CertificateArn"}}]
    assert resources["Balancer"]["Scheme"] == "internal"


def test_there_is_one_listener_and_plain_http_only_without_a_certificate(template: Json) -> None:
    listeners = {
        name: it["Condition"] for name, it in template["Resources"].items() if it["Type"].endswith("V2::Listener")
    }
    assert listeners == {"Listener": "EndsTls", "PlainListener": "IsPlain"}
    first = {"Fn::If": ["EndsTls", {"Ref": "Listener"}, {"Ref": "PlainListener"}]}  # which the service needs
    assert template["Resources"]["Service"]["Properties"]["Tags"] == [{"Key": "listener", "Value": first}]


def test_without_a_certificate_the_functions_reach_the_balancer_in_clear_text_and_nobody_else_does(
    template: Json, resources: dict[str, Json]
) -> None:
    assert template["Conditions"]["IsPlain"] == {"Fn::Equals": [{"Ref": "CertificateArn"}, ""]}
    assert template["Conditions"]["EndsTls"] == {"Fn::Not": [template["Conditions"]["IsPlain"]]}
    assert template["Resources"]["FunctionsMayAskPlainly"]["Condition"] == "IsPlain"
    way = resources["FunctionsMayAskPlainly"]
    assert (way["FromPort"], way["ToPort"]) == (80, 80)
    assert way["DestinationSecurityGroupId"] == {"Ref": "BalancerSecurityGroup"}


def test_a_name_and_its_certificate_come_together(template: Json) -> None:
    for ours, needs in (("HostName", "CertificateArn"), ("CertificateArn", "HostName")):
        [rule] = [it for it in template["Rules"].values() if f"'{ours}'" in str(it["RuleCondition"])]
        assert rule["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": needs}, ""]}]}


def test_health_is_what_the_proxys_ping_says_as_in_the_image(resources: dict[str, Json], server: Json) -> None:
    assert resources["Targets"]["HealthCheckPath"] == "/ping"
    [check] = read_dockerfile().of("HEALTHCHECK")
    assert server["HealthCheck"]["Command"] == ["CMD", *json.loads(check.partition("CMD ")[2])]


def test_the_image_and_the_archive_are_those_that_a_person_named(template: Json, resources: dict[str, Json]) -> None:
    for name in ("fetch", "model-server"):  # one image: what runs before the server needs no registry of its own
        assert container(resources, name)["Image"]["Fn::Sub"].endswith("/${ImageRepository}@${ImageDigest}")
    for digest in ("ImageDigest", "ModelSha256"):
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
    """The container's own command, in its place of the image, on moto: a later version of the object changes nothing."""
    container_ = container(resources, "fetch")
    assert container_["EntryPoint"] == ["python", "-m", "fetch"]
    assert Path(str(fetch.__file__)) == ROOT / "model_server" / "fetch.py"
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="models")
        s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
        version = s3.put_object(Bucket="models", Key="balls.mar", Body=sent)["VersionId"]
        s3.put_object(Bucket="models", Key="balls.mar", Body=b"a later one")
        values = {"AWS::Region": "us-east-1", "ModelBucket": "models", "ModelKey": "balls.mar"}
        values |= {"ModelObjectVersion": version, "ModelSha256": hashlib.sha256(b"the archive").hexdigest()}
        words = [values[word["Ref"]] if isinstance(word, dict) else word for word in container_["Command"]]
        code = fetch.main([word.replace("/models", str(tmp_path)) for word in words])
    assert (code == 0, [path.name for path in tmp_path.iterdir()]) == (taken, ["model.mar"] if taken else [])
    if taken:
        assert (tmp_path / "model.mar").read_bytes() == b"the archive"
        assert (tmp_path / "model.mar").stat().st_mode & 0o777 == 0o444


def test_an_archive_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--region=us-east-1", "--bucket=nobodys", "--key=balls.mar", "--object-version=v1", "--sha256=abc", "--to"]
    with mock_aws():
        assert fetch.main([*given, str(tmp_path / "model.mar")]) == 1
    assert "fetch: s3://nobodys/balls.mar (version v1) cannot be read: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_image_brings_what_fetches_and_serving_imports_none_of_it() -> None:
    copied = " ".join(read_dockerfile().of("COPY"))
    assert "model_server/fetch.py" in copied
    assert "\nboto3==" in (ROOT / "requirements" / "model_server.txt").read_text()
