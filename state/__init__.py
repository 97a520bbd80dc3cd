"""The pure core: events, sessions, decay, windows, posterior, policies and profiles. Imports neither Flink, Kafka nor Redis."""
