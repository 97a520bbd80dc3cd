"""Learning quality through the whole stack: shoppers with known preferences, several arms side by side, over time."""
