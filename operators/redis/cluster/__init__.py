"""Redis in cluster mode: keys are spread over primaries by hash slot, and slots move."""
