"""The pipeline: an S3 upload becomes a JSON result and a row.

message -> events -> images -> model_client -> store, joined in classify.
"""
