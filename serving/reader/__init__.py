"""Reading profiles within a budget, from Redis or from what was kept of it."""
