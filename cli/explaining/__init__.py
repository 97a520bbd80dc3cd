"""Why a visitor sees what they see: a session's way read from Kafka, gone again, and laid out for a person."""
