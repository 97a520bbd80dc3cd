"""The embedded stack: Kafka, Redis and Flink on loopback, from Python packages alone."""
