"""How the functions' AWS clients behave."""

from __future__ import annotations

from botocore.config import Config

MOST_CONNECTIONS = 32  # of one client, to AWS or to the model server: one for each image that is in memory

# SQS is the layer that retries. AWS's clients have one second try of their own: a connection that died while the
# Lambda was frozen, or one slow-down of S3, would else cost an inference that was done and a visibility time-out.
CLIENTS = Config(
    connect_timeout=3,
    read_timeout=5,
    retries={"total_max_attempts": 2, "mode": "standard"},
    max_pool_connections=MOST_CONNECTIONS,
)
DOWNLOADS = CLIENTS.merge(Config(read_timeout=20))  # of the model's archive: hundreds of megabytes
