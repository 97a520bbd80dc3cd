"""The `heliotrope` command: its verbs, and how their errors reach a person."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from cli.catalog import catalog
from cli.dead_letters import dead_letters
from cli.demo import demo
from cli.errors import UserError
from cli.produce import produce
from cli.profile import profile
from cli.replay import replay
from cli.simulate import simulate
from cli.stack.submitting import submit
from cli.stack.verbs import down, fetch, status, up
from jobs.settings import ConfigurationError, SecretError

app = typer.Typer(
    name="heliotrope",
    help="Real-time personalization for shops on Apache Flink.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Verbs are registered here, one line each: app.command("up")(up)
app.command("fetch")(fetch)
app.command("up")(up)
app.command("status")(status)
app.command("down")(down)
app.command("submit")(submit)
app.command("produce")(produce)
app.command("replay")(replay)
app.add_typer(catalog, name="catalog")
app.command("profile")(profile)
app.command("dead-letters")(dead_letters)
app.command("simulate")(simulate)
app.command("demo")(demo)


def main() -> None:
    """Runs a verb; a known error is one line on stderr."""
    try:
        app()
    except (UserError, ConfigurationError, SecretError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]heliotrope:[/] {escape(str(error))}")
        sys.exit(getattr(error, "exit_code", 1))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
