"""The parts of `heliotrope doctor`, one for each thing that it looks at."""
