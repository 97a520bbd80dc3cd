"""One module per Flink job, and what it needs to read its settings."""
