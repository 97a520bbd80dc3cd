"""The `heliotrope` command: its verbs, and how their errors reach a person."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from cli.catalog import catalog
from cli.dead_letters import dead_letters
from cli.demo import demo
from cli.errors import UserError
from cli.explain import explain
from cli.model import model
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
app.add_typer(model, name="model")
app.command("profile")(profile)
app.command("explain")(explain)
app.command("dead-letters")(dead_letters)
app.command("simulate")(simulate)
app.command("demo")(demo)


def main() -> None:
    """Runs a verb; whatever is wrong is one line on stderr, and the exit status says so."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except (UserError, ConfigurationError, SecretError) as error:
        _complain(str(error))
        sys.exit(getattr(error, "exit_code", 1))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        if not hasattr(error, "format_message"):  # the command line parser's own
            raise
        if message := str(error.format_message()).rstrip("."):
            _complain(f"{message}: see `heliotrope --help`, or `--help` behind the verb")
        sys.exit(2)


def _complain(message: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]heliotrope:[/] {escape(message)}")


if __name__ == "__main__":
    main()
