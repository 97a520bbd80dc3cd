"""Reading from a cluster: each key from the primary of its slot, each node with a circuit breaker of its own."""
