"""What is popular and trending in each region, over all, in each category, and at each moment."""
