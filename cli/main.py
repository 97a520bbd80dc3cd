"""The `heliotrope` command: its verbs, and how their errors reach a person."""

import sys
from contextlib import suppress

import typer
from rich.markup import escape

from cli.catalogue.verb import catalog
from cli.dead_letters.verb import dead_letters
from cli.demo.verb import demo
from cli.doctor import doctor
from cli.errors import UserError
from cli.explain.verb import explain
from cli.failures import (
    PIPE_STATUS,
    UNEXPECTED_STATUS,
    discard_output,
    explain_encoding,
    explain_os_error,
    flush_output,
    make_streams_safe,
    report_unexpected,
)
from cli.model import model
from cli.output import PlainSpokenConsole
from cli.produce import produce
from cli.profile.verb import profile
from cli.rebuild import rebuild
from cli.replay.verb import replay
from cli.serve import serve
from cli.simulate.verb import simulate
from cli.stack.submitting import submit
from cli.stack.verbs import down, fetch, status, up
from cli.text import one_line
from cli.trace import trace
from jobs.errors import ConfigurationError, SecretError

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
app.command("doctor")(doctor)
app.command("down")(down)
app.command("submit")(submit)
app.command("serve")(serve)
app.command("produce")(produce)
app.command("replay")(replay)
app.add_typer(catalog, name="catalog")
app.add_typer(model, name="model")
app.command("profile")(profile)
app.command("explain")(explain)
app.command("trace")(trace)
app.command("rebuild")(rebuild)
app.command("dead-letters")(dead_letters)
app.command("simulate")(simulate)
app.command("demo")(demo)


def main() -> None:
    """Run a verb; whatever is wrong is one line on stderr, and the exit status says so."""
    make_streams_safe()
    status = _run()
    try:
        flush_output()
    except BrokenPipeError:
        discard_output()
        status = status or PIPE_STATUS
    except OSError as error:
        discard_output()
        _complain(f"cannot write the output ({error.strerror}): give it a place that has room")
        status = status or 1
    sys.exit(status)


def _run() -> int:
    try:
        return int(app(standalone_mode=False) or 0)
    except (UserError, ConfigurationError, SecretError) as error:
        _complain(str(error))
        return int(getattr(error, "exit_code", 1))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        return PIPE_STATUS
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except Exception as error:
        return _fail(error)


def _fail(error: Exception) -> int:
    """Say what went wrong that no verb turned into an error of its own."""
    if hasattr(error, "format_message"):  # the command line parser's own
        if parser_message := str(error.format_message()).rstrip("."):
            _complain(f"{parser_message}: see `heliotrope --help`, or `--help` behind the verb")
        return 2
    if isinstance(error, UnicodeEncodeError) and (message := explain_encoding(sys.argv[1:])):
        _complain(message)
        return 1
    if isinstance(error, OSError):
        _complain(explain_os_error(error))
        return 1
    _complain(report_unexpected(error))
    return UNEXPECTED_STATUS


def _complain(message: str) -> None:
    with suppress(OSError):  # nobody listens
        console = PlainSpokenConsole(stderr=True, soft_wrap=True, highlight=False)
        console.print(f"[red]heliotrope:[/] {escape(one_line(message))}")


if __name__ == "__main__":
    main()
