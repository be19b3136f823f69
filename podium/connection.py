"""A deployed stack and the clients to reach it: the local one by default, AWS with `--stack NAME`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from podium.errors import ConsoleError
from podium.local import emulator
from podium.project import local_stack

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

LOCAL_STACK_NAME = "podium"
SOURCE_TAG = "podium-source"  # a stack's tag: the fingerprint of what it was deployed from


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
    model_server_url: str
    model: str


class Connection:
    """AWS clients for one stack. Clients are made when first used; making one imports boto3."""

    def __init__(self, stack: str | None) -> None:
        self.local = stack is None
        self.stack = stack or LOCAL_STACK_NAME
        self._local_stack = local_stack() if self.local else None
        if self.local and self._local_stack is None:
            raise ConsoleError(
                "there is no local stack yet. Make one with `podium up`, or name one on AWS with --stack."
            )

    @cached_property
    def session(self) -> boto3.Session:
        """The person's own AWS profile and region, or the emulator's root."""
        import boto3

        if self._local_stack is None:
            return boto3.Session()
        keys = emulator.client_environment(self._local_stack)
        return boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name=emulator.REGION)

    @cached_property
    def s3(self) -> S3Client:
        """S3, with room for parallel uploads."""
        return self.session.client("s3", endpoint_url=self._endpoint_url, verify=self._ca_bundle, config=self._config)

    @cached_property
    def sqs(self) -> SQSClient:
        """SQS."""
        return self.session.client("sqs", endpoint_url=self._endpoint_url, verify=self._ca_bundle, config=self._config)

    @cached_property
    def dynamodb_client(self) -> DynamoDBClient:
        """DynamoDB, as the functions speak to it; for rows, `table` is easier."""
        return self.session.client(
            "dynamodb", endpoint_url=self._endpoint_url, verify=self._ca_bundle, config=self._config
        )

    @cached_property
    def stepfunctions(self) -> SFNClient:
        """Step Functions."""
        return self.session.client(
            "stepfunctions", endpoint_url=self._endpoint_url, verify=self._ca_bundle, config=self._config
        )

    @cached_property
    def lambda_client(self) -> LambdaClient:
        """Lambda."""
        return self.session.client(
            "lambda", endpoint_url=self._endpoint_url, verify=self._ca_bundle, config=self._config
        )

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """CloudFormation."""
        return self.session.client(
            "cloudformation", endpoint_url=self._endpoint_url, verify=self._ca_bundle, config=self._config
        )

    @cached_property
    def table(self) -> Table:
        """The results table."""
        dynamodb = self.session.resource(
            "dynamodb", endpoint_url=self._endpoint_url, verify=self._ca_bundle, config=self._config
        )
        return dynamodb.Table(self.facts.table)

    @cached_property
    def facts(self) -> StackFacts:
        """What the deployed stack says of itself.

        Raises ConsoleError when the stack is not deployed, or its endpoint does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            described = self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError as error:
            raise ConsoleError(f"no stack {self.stack!r} here ({error}). {self._how_to_deploy()}") from error
        except BotoCoreError as error:
            raise ConsoleError(f"{error}. {self._how_to_deploy()}") from error
        outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
        if "LedgerTable" not in outputs:
            raise ConsoleError(
                f"stack {self.stack!r} is {described['StackStatus']} and not a finished Podium stack "
                f"of this version. {self._how_to_deploy()}"
            )
        return StackFacts(
            stack=self.stack,
            region=self.session.region_name,
            endpoint_url=self._endpoint_url,
            ca_bundle=self._ca_bundle,
            input_bucket=outputs["InputBucket"],
            results_bucket=outputs["ResultsBucket"],
            table=outputs["ResultsTable"],
            queue_url=outputs["QueueUrl"],
            dlq_url=outputs["DeadLetterQueueUrl"],
            function=outputs["ClassifyFunction"],
            mapping=outputs["EventSourceMapping"],
            ledger=outputs["LedgerTable"],
            backfill_machine=outputs["BackfillMachine"],
            model_server_url=outputs["ModelServerUrl"],
            model=outputs["Model"],
        )

    @property
    def source_tag(self) -> str | None:
        """The fingerprint of what the stack was deployed from; None when there is none, or a hand deployed it."""
        from botocore.exceptions import ClientError

        try:
            stack = self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError:
            return None
        if not stack["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")):
            return None
        return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}.get(SOURCE_TAG)

    @property
    def _endpoint_url(self) -> str | None:
        return self._local_stack.endpoint_url if self._local_stack else None

    @property
    def _ca_bundle(self) -> str | None:
        return str(emulator.CA_BUNDLE) if self._local_stack else None

    @cached_property
    def _config(self) -> Config:
        from botocore.config import Config

        return Config(max_pool_connections=32, retries={"mode": "standard", "max_attempts": 5})

    def _how_to_deploy(self) -> str:
        if self.local:
            return "Start the local stack with `podium up`."
        return f"Deploy it with `podium deploy --stack {self.stack}`, or check your AWS profile and region."
