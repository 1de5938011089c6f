"""The public port: receives batches from feeds and acknowledges them once their reads are durable."""
