"""The pipeline's real code in a world whose every fault is drawn: a virtual clock, one thread at a time, no network.

plan (what happens) -> world (clock, S3, SQS, DynamoDB, model server, Lambda) -> promises (what must hold)
"""
