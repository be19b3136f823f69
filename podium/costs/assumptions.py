"""What a forecast assumes: every number that is neither a price, nor measured, nor written in a template, in one place."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

HOURS_A_MONTH = 730.0
MINUTES_A_MONTH = HOURS_A_MONTH * 60


class Assumptions(BaseModel):
    """Numbers that a person may know better; all have a default that is stated with the forecast."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    drops_a_month: float = Field(
        30,
        gt=0,
        description="times a month that images come, each time in one go: a server that scales to zero wakes, functions start",
    )
    kept_months: float = Field(1, ge=0, description="months that images, results and rows are kept")
    uncertain_share: float = Field(0.1, ge=0, le=1, description="share of the images whose row waits for a review")
    beside_ms: float = Field(
        250,
        ge=0,
        description="milliseconds of an invocation beside the model: the fetch, the JSON and the row of its images, at once",
    )
    archive_fetch_s: float = Field(
        1, ge=0, description="seconds in which a new function process fetches the archive from S3"
    )
    log_bytes: int = Field(
        800, ge=0, description="bytes of log an image: its line, and its part of the invocation's metrics and reports"
    )
    rows_a_count: int = Field(
        200, ge=1, description="rows that one invocation of the finish function counts while many images come"
    )
    count_ms: float = Field(200, ge=0, description="milliseconds of that invocation")
    scheduled_ms: float = Field(
        500, ge=0, description="milliseconds of a function that a schedule starts and that finds nothing to do"
    )
    classify_metrics: int = Field(
        16, ge=0, description="custom metrics while images come: those of the classify function, some with reasons"
    )
    gate_metrics: int = Field(
        2, ge=0, description="custom metrics at all hours of the gate function, if there is a server"
    )
    reconcile_metrics: int = Field(2, ge=0, description="custom metrics at all hours of the reconcile function")
    list_s: float = Field(0.1, gt=0, description="seconds of one LIST of the reconcile function, which ends in time")
    pollers: int = Field(5, ge=0, description="long polls of 20 s at once with which Lambda watches an empty queue")
    wake_min: float = Field(5, ge=0, description="minutes from the first image until a GPU that was off answers")
    idle_min: float = Field(15, ge=0, description="minutes that a GPU runs on with nothing to do, before it is ended")
    utilisation: float = Field(
        0.7, gt=0, le=1, description="share of its speed that a server that always runs is busy at most"
    )
    gpu_images_a_second: float = Field(400, gt=0, description="images a second of one GPU: none was measured")
    gpu_machine: str = Field("g6.xlarge", description="machine with the GPU, of the price file")
    disk_gb: float = Field(60, ge=0, description="gigabytes of disk of a machine with a GPU, while it runs")
    image_gb: float = Field(6, ge=0, description="gigabytes of the server's container image in ECR")
    endpoints: int = Field(
        8,
        ge=0,
        description="interface endpoints in place of a NAT gateway: ECS (3), ECR (2), CloudWatch Logs, SQS, Lambda",
    )
    zones: int = Field(2, ge=1, description="zones of the private network")
    fargate_gb: float = Field(4, gt=0, description="gigabytes of memory of a Fargate task")
    backfill_part: int = Field(500, ge=1, description="images of one part of a backfill")
    backfill_part_s: float = Field(3, ge=0, description="seconds of the backfill function for one part")
