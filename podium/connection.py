"""A deployed stack and the clients to reach it: the local one by default, AWS with `--stack NAME`."""

from __future__ import annotations

import os
import urllib.error
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from podium.aws_errors import explained, sentence_of
from podium.aws_variables import speak_to_aws
from podium.errors import ConsoleError
from podium.listener import check_listener
from podium.loopback import request_here
from podium.project import CA_BUNDLE, REGION, local_stack

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

LOCAL_STACK_NAME = "podium"
SOURCE_TAG = "podium-source"  # a stack's tag: the fingerprint of the files that it was deployed from
REACHED_WITHIN_S = 5.0
PARALLEL_REQUESTS = 32  # uploads, above all
# The local stack needs nothing of a person's AWS configuration, and a profile that is not there would end every command.
NOBODYS_FILES = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}


class StackFacts(BaseModel):
    """Everything a program needs to speak to a deployed stack."""

    model_config = ConfigDict(frozen=True)

    stack: str
    region: str
    endpoint_url: str | None  # None on AWS
    ca_bundle: str | None
    input_bucket: str
    results_bucket: str
    table: str
    queue_url: str
    dlq_url: str
    function: str
    mapping: str
    ledger: str
    backfill_machine: str
    backfill_pauses_above: int | None = None  # messages on the queue; None: a stack of an older version never pauses
    model_server_url: str | None  # None: the classify function holds the model
    model_archive: str | None  # which it loads; None if there is none yet
    model: str


class MessageCounts(NamedTuple):
    """About how many messages a queue has."""

    visible: int
    in_flight: int  # received, and not deleted yet


class Connection:
    """AWS clients for one stack. Clients are made when first used; making one imports boto3."""

    def __init__(self, stack: str | None) -> None:
        self.stack = stack or LOCAL_STACK_NAME
        self._local_stack = local_stack() if stack is None else None
        self.local = stack is None
        if self.local and self._local_stack is None:
            raise ConsoleError(
                "there is no local stack yet. Make one with `podium up`, or name one on AWS with --stack."
            )
        if not self.local:
            speak_to_aws()

    @cached_property
    def session(self) -> boto3.Session:
        """The person's own AWS profile and region, or the emulator's root."""
        import boto3
        import botocore.session

        if self._local_stack is None:
            with explained():
                return boto3.Session()
        keys = self._local_stack.client_environment
        nobody = botocore.session.Session({name: (None, None, value, None) for name, value in NOBODYS_FILES.items()})
        return boto3.Session(
            keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name=REGION, botocore_session=nobody
        )

    @cached_property
    def s3(self) -> S3Client:
        return self.session.client("s3", **self.options)

    @cached_property
    def sqs(self) -> SQSClient:
        return self.session.client("sqs", **self.options)

    @cached_property
    def dynamodb_client(self) -> DynamoDBClient:
        """DynamoDB, as the functions speak to it; for rows, `table` is easier."""
        return self.session.client("dynamodb", **self.options)

    @cached_property
    def stepfunctions(self) -> SFNClient:
        return self.session.client("stepfunctions", **self.options)

    @cached_property
    def lambda_client(self) -> LambdaClient:
        return self.session.client("lambda", **self.options)

    @cached_property
    def batch(self) -> Any:  # noqa: ANN401 - its stubs are not installed
        """AWS Batch, which the local stack does not have."""
        return self.session.client("batch", **self.options)

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        return self.session.client("cloudformation", **self.options)

    @cached_property
    def cloudwatch(self) -> Any:  # noqa: ANN401 - its stubs are not installed
        return self.session.client("cloudwatch", **self.options)

    @cached_property
    def table(self) -> Table:
        """The results table."""
        return self.session.resource("dynamodb", **self.options).Table(self.facts.table)

    @cached_property
    def facts(self) -> StackFacts:
        """The deployed stack's outputs.

        Raises ConsoleError when the stack is not deployed, or its endpoint does not answer: there is one request, without a retry.
        """
        described = self._first_look()
        outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
        if "LedgerTable" not in outputs:
            raise ConsoleError(
                f"stack {self.stack!r} is {described['StackStatus']} and not a finished Podium stack "
                f"of this version. {self._how_to_deploy()}"
            )
        return StackFacts(
            stack=self.stack,
            region=self.session.region_name,
            endpoint_url=self.options["endpoint_url"],
            ca_bundle=self.options["verify"],
            input_bucket=outputs["InputBucket"],
            results_bucket=outputs["ResultsBucket"],
            table=outputs["ResultsTable"],
            queue_url=outputs["QueueUrl"],
            dlq_url=outputs["DeadLetterQueueUrl"],
            function=outputs["ClassifyFunction"],
            mapping=outputs["EventSourceMapping"],
            ledger=outputs["LedgerTable"],
            backfill_machine=outputs["BackfillMachine"],
            backfill_pauses_above=int(above) if (above := outputs.get("BackfillPausesAbove")) else None,
            model_server_url=outputs.get("ModelServerUrl"),
            model_archive=outputs.get("ModelArchive"),
            model=outputs["Model"],
        )

    @property
    def source_tag(self) -> str | None:
        """The fingerprint of the files that the stack was deployed from; None if `podium` has not deployed it whole."""
        from botocore.exceptions import ClientError

        try:
            stack = self._describe()
        except ClientError:
            return None
        if not stack["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")):
            return None
        return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}.get(SOURCE_TAG)

    @property
    def is_deployed(self) -> bool:
        """Whether there is such a stack, in whatever state but one: only begun, it has no outputs, and is deployed as a new one."""
        from botocore.exceptions import ClientError

        try:
            return bool(self._describe().get("Outputs"))
        except ClientError as error:
            if error.response["Error"].get("Code") != "ValidationError":
                raise
            return False

    @property
    def parameters(self) -> dict[str, str]:
        """The template's parameters as the stack was deployed with them."""
        return {it["ParameterKey"]: it.get("ParameterValue", "") for it in self._describe().get("Parameters", [])}

    @property
    def gate(self) -> str:
        """The state of the mapping that brings the queue's messages to the classify function: Enabled, Disabled, ..."""
        return self.lambda_client.get_event_source_mapping(UUID=self.facts.mapping)["State"]

    @property
    def management_url(self) -> str | None:
        """TorchServe's management address; None on AWS, where the console cannot reach it."""
        return f"http://127.0.0.1:{self._local_stack.management_port}" if self._local_stack else None

    @property
    def server_is_down(self) -> bool:
        """Whether the local model server answers no HTTP; it may answer and still load its model. False on AWS."""
        url = self.facts.model_server_url
        return self.local and url is not None and not answers(f"{url}/ping")

    @property
    def client_variables(self) -> Mapping[str, str]:
        """The variables that lead a program to the local stack; none for AWS, where the person's own do."""
        return self._local_stack.client_environment if self._local_stack else {}

    def message_counts(self, queue_url: str) -> MessageCounts:
        """The messages of one of the stack's queues."""
        counts = self.sqs.get_queue_attributes(
            QueueUrl=queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return MessageCounts(
            visible=int(counts["ApproximateNumberOfMessages"]),
            in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
        )

    @cached_property
    def options(self) -> dict[str, Any]:
        """Of every client, those of the services that have no property here, too."""
        from botocore.config import Config

        return {
            "endpoint_url": self._local_stack.endpoint_url if self._local_stack else None,
            "verify": str(CA_BUNDLE) if self._local_stack else None,
            "config": Config(
                max_pool_connections=PARALLEL_REQUESTS,
                retries={"mode": "standard", "max_attempts": 5},
                proxies={} if self._local_stack else None,  # none, even if the person's variables name one
            ),
        }

    def _describe(self) -> StackTypeDef:
        return self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]

    def _first_look(self) -> StackTypeDef:
        """The stack as CloudFormation describes it, without the minute of retries if nobody answers."""
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        if self._local_stack is not None:
            check_listener(self._local_stack)
        once = self.options["config"].merge(Config(connect_timeout=REACHED_WITHIN_S, retries={"total_max_attempts": 1}))
        try:
            client = self.session.client("cloudformation", **{**self.options, "config": once})
            return client.describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError as error:
            if error.response["Error"].get("Code") == "ValidationError":
                raise ConsoleError(
                    f"there is no stack {self.stack!r} {self._place}. {self._how_to_deploy()}"
                ) from error
            raise ConsoleError(sentence_of(error, self._who)) from error
        except BotoCoreError as error:
            raise ConsoleError(sentence_of(error, self._who)) from error

    @property
    def _who(self) -> str:
        return "AWS" if self._local_stack is None else f"the local stack at {self._local_stack.endpoint_url}"

    @property
    def _place(self) -> str:
        return f"in {self.session.region_name}" if self._local_stack is None else "on this machine"

    def _how_to_deploy(self) -> str:
        if self.local:
            return "Start the local stack with `podium up`."
        return f"Deploy it with `podium deploy --stack {self.stack}`, or check your AWS profile and Region."


def answers(url: str) -> bool:
    """Whether a server of this machine answers HTTP at the address, whatever it says."""
    try:
        with request_here(url, timeout_s=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
