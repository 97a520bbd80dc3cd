"""Shipped configuration, formats and the demo catalogue."""
