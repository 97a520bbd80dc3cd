"""Thin Flink shells around the core: state access, timers and outputs."""
