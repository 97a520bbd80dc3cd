"""The compiled core: what a batch of inputs does to their sessions, in one call. Its readable twin is `state/personalizer.py`."""
