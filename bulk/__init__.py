"""Images of a large bucket, past the queue: an inventory or a list -> shards -> children, one a shard -> Parquet, rows on request."""
