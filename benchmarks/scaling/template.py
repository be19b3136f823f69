"""The scaling as the templates have it: what is simulated is what is deployed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from podium.project import ROOT

GPU_STACK, CORE = ROOT / "model_server" / "gpu-stack.yaml", ROOT / "template.yaml"
COMPARISONS = {"GreaterThanThreshold": float.__gt__, "LessThanOrEqualToThreshold": float.__le__}
Json = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """From `least` to below `most` above the alarm's threshold, `tasks` are wanted."""

    least: float
    most: float
    tasks: int


@dataclass(frozen=True)
class StepAlarm:
    """An alarm on the backlog and the step policy that it invokes every minute while it rings."""

    name: str
    comparison: str
    threshold: float
    messages_per_task: float
    window_s: float
    cooldown_s: float
    steps: tuple[Step, ...]

    def wanted(self, most_messages: float) -> int | None:
        """Tasks for the most messages that there were within the window; None while the alarm does not ring."""
        value = most_messages / self.messages_per_task
        if not COMPARISONS[self.comparison](value, self.threshold):
            return None
        above = value - self.threshold
        return next((it.tasks for it in self.steps if it.least <= above < it.most or above == it.most == 0), None)


@dataclass(frozen=True)
class Scaling:
    """The scalable target and its policies."""

    least_tasks: int
    most_tasks: int
    alarms: tuple[StepAlarm, ...]


def read_scaling(stack: Path = GPU_STACK, /, **parameters: object) -> Scaling:
    """The scaling of a GPU stack with these parameters and the defaults of the others.

    Raises ValueError if the template scales in a way that the simulation does not know.
    """
    template = _decoded(stack)
    values = {name: it.get("Default") for name, it in template["Parameters"].items()} | parameters
    resources = {name: it["Properties"] for name, it in template["Resources"].items()}
    kinds = {name: it["Type"] for name, it in template["Resources"].items()}
    policies = [name for name, kind in kinds.items() if kind == "AWS::ApplicationAutoScaling::ScalingPolicy"]
    alarms = [
        _alarm(name, resources[name], resources[policy], values)
        for policy in policies
        for name, kind in kinds.items()
        if kind == "AWS::CloudWatch::Alarm" and {"Ref": policy} in _listed(resources[name].get("AlarmActions"))
    ]
    if len(alarms) != len(policies):
        raise ValueError(f"{stack.name} has {len(policies)} policies and {len(alarms)} alarms for them")
    [target] = [name for name, kind in kinds.items() if kind == "AWS::ApplicationAutoScaling::ScalableTarget"]
    least, most = (int(_value(resources[target][name], values)) for name in ("MinCapacity", "MaxCapacity"))
    return Scaling(least, most, tuple(alarms))


def batches_at_once(servers: int) -> int:
    """Classify functions at once for so many servers, of template.yaml."""
    return int(_decoded(CORE)["Mappings"]["Servers"][str(servers)]["MaxConcurrency"])


def functions_at_once() -> int:
    """Classify functions at once that hold the model, by default."""
    return int(_decoded(CORE)["Parameters"]["FunctionsAtOnce"]["Default"])


def classify_function() -> Json:
    """Of the classify function: memory and /tmp with the model in it, memory without, messages and seconds of a batch."""
    properties = _decoded(CORE)["Resources"]["ClassifyFunction"]["Properties"]
    _, here, served = properties["MemorySize"]["Fn::If"]
    [event] = [it["Properties"] for it in properties["Events"].values() if it["Type"] == "SQS"]
    return {
        "with_model_mb": here,
        "with_model_storage_mb": properties["EphemeralStorage"]["Size"]["Fn::If"][1],
        "served_mb": served,
        "batch": event["BatchSize"],
        "window_s": event["MaximumBatchingWindowInSeconds"],
    }


def _alarm(name: str, alarm: Json, policy: Json, values: Mapping[str, object]) -> StepAlarm:
    config = policy.get("StepScalingPolicyConfiguration", {})
    if config.get("AdjustmentType") != "ExactCapacity" or alarm["EvaluationPeriods"] != 1:
        raise ValueError(f"{name}: the simulation knows steps of an exact capacity, and one period, only")
    if alarm["TreatMissingData"] != "notBreaching":
        raise ValueError(f"{name}: the simulation knows no alarm that rings without data")
    expression, *metrics = alarm["Metrics"]
    divided = re.fullmatch(r"\(visible \+ taken\) / ([\d.]+)", str(_value(expression["Expression"], values)))
    periods = {float(_value(it["MetricStat"]["Period"], values)) for it in metrics}
    if divided is None or len(periods) != 1 or {it["MetricStat"]["Stat"] for it in metrics} != {"Maximum"}:
        raise ValueError(f"{name}: the simulation does not know the metric {expression['Expression']}")
    steps = (
        Step(
            float(it.get("MetricIntervalLowerBound", "-inf")),
            float(it.get("MetricIntervalUpperBound", "inf")),
            it["ScalingAdjustment"],
        )
        for it in config["StepAdjustments"]
    )
    return StepAlarm(
        name, alarm["ComparisonOperator"], float(alarm["Threshold"]), float(divided[1]), periods.pop(),
        float(config["Cooldown"]), tuple(steps),
    )  # fmt: skip


def _value(given: Any, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - whatever a template holds
    if not isinstance(given, dict):
        return given
    [(function, argument)] = given.items()
    if function == "Ref":
        return values[argument]
    if function == "Fn::Sub":
        return re.sub(r"\$\{(\w+)\}", lambda name: str(values[name[1]]), argument)
    raise ValueError(f"the simulation does not know {function}")


def _listed(actions: Any) -> list[Any]:  # noqa: ANN401
    return actions if isinstance(actions, list) else []


@cache
def _decoded(path: Path) -> Json:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cfn-lint's own imports warn
        from cfnlint.decode import decode  # noqa: PLC0415

    template, problems = decode(str(path))
    if template is None or problems:
        raise ValueError(f"{path} cannot be read: {problems}")
    return dict(template)
