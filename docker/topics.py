"""Creates the topics that are missing, then ends: the one-shot `topics` service. Reads the configuration as the job does."""

import argparse
import sys
from pathlib import Path

from kafka.errors import KafkaError

from cli.stack.topics import create_topics
from jobs.errors import ConfigurationError, SecretError
from jobs.settings import load_settings


def main(arguments: list[str]) -> None:
    """Creates the topics on `kafka.bootstrap`."""
    parser = argparse.ArgumentParser(prog="topics.py", description=__doc__)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args(arguments)
    try:
        settings = load_settings(options.config)
        if not settings.kafka.bootstrap:
            raise ConfigurationError("kafka.bootstrap: must be set")
        made = create_topics(settings, settings.kafka.bootstrap)
    except (ConfigurationError, SecretError) as error:
        sys.exit(f"heliotrope: {error}")
    except KafkaError as error:
        sys.exit(f"heliotrope: Kafka refuses the topics ({error}): is it up, and may this client create topics?")
    sys.stdout.write(f"created: {', '.join(made) or 'none, all were there'}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
