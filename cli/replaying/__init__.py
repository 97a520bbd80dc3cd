"""Files of historical events: formats, reading, mapping to events, and the order in which they are sent."""
