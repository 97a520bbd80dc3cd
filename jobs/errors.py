"""Errors of the job's start; their messages say what to change."""


class ConfigurationError(Exception):
    """A configuration that cannot be used. The message names the key and what it accepts. Correct it and start again."""


class SecretError(Exception):
    """A secret's file that cannot be read. Give the file the right path and rights, or set the environment variable."""
