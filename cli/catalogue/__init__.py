"""Files of products: reading, and the demo catalogue."""
