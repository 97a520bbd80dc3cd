"""The operator's page: how the job and this server are, and why a session sees what it sees."""
