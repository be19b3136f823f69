"""The functions' one logger: JSON, a constant message, facts as fields."""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger()  # its service is the stack: POWERTOOLS_SERVICE_NAME
