"""Files as people have them: packed, in any encoding, with any separator, JSON in lines or in one piece."""
