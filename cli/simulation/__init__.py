"""Shoppers with known preferences: what they would click, how they move, and how well they were served."""
