"""The command's tree and its exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted."""

import sys
from typing import Annotated, Any

import typer

from metastructure._version import __version__
from metastructure.cli import (
    annotators,
    audit,
    convert,
    corrupt,
    data,
    demo,
    doctor,
    evaluate,
    measure,
    plan,
    predict,
    repair,
    segment,
    study,
    train,
)
from metastructure.cli.warn import set_level, show_messages
from metastructure.errors import ConfigError, DataError, MetastructureError

UsageError: Any = typer.BadParameter.__bases__[0]
"""The parent of all errors of use; newer typers carry their own copy of click, so it is reached through typer."""

INTERRUPTED = 130
RESUMABLE = "interrupted; the same command goes on where it stopped."

app = typer.Typer(
    name="metastructure",
    help="What segmentation labels still say when they are noisy, few or missing.",
    epilog="Start with: metastructure demo",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo.demo)
app.command()(corrupt.corrupt)
app.command()(convert.convert)
app.command(cls=measure.MeasureCommand)(measure.measure)
app.command()(train.train)
app.command()(predict.predict)
app.command()(evaluate.evaluate)
app.command()(segment.segment)
app.command()(audit.audit)
app.command()(annotators.annotators)
app.command()(repair.repair)
app.command()(plan.plan)
app.add_typer(study.app, name="study")
app.add_typer(data.app, name="data")
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"metastructure {__version__}")
        raise typer.Exit


@app.callback()
def set_up(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what the library logs.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no warnings; errors stay.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""
    if verbose and quiet:
        raise typer.BadParameter("--verbose and --quiet contradict each other; give one of them")
    set_level(verbose, quiet)


def main() -> None:
    """Run the command line and leave with its exit code; what the user caused is told in one line."""
    try:
        with show_messages():
            code = app(standalone_mode=False, prog_name="metastructure")
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # a bare group: its help, not an error
            print(error.format_message().strip())
            sys.exit(2)
        command = error.ctx.command_path if error.ctx else "metastructure"
        message = " ".join(error.format_message().split())  # typer puts each choice on a line of its own
        _fail(f"{message.rstrip('.?')}; see '{command} --help'.", 2)
    except (typer.Abort, KeyboardInterrupt):
        _fail(RESUMABLE, INTERRUPTED)
    except (ConfigError, DataError) as error:
        _fail(str(error), 2)
    except MetastructureError as error:
        _fail(str(error), 1)
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}.", 1)
    if code == INTERRUPTED:  # typer turns Ctrl-C inside a command into this exit code
        _fail(RESUMABLE, INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
