"""Profiles out, within a budget."""
