"""The Typer application and the one place that turns errors into exit codes."""

import functools
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any, Final, NoReturn

import typer

from provision import __version__
from provision.cli import options as o
from provision.cli.commands import Command, requested
from provision.cli.completion import ASKED, whole_words
from provision.cli.help import HelpCommand, HelpGroup
from provision.cli.output import detail, print_error, print_result, settle_talk, unforeseen, unwritten, warn
from provision.cli.spread import Spread, spread
from provision.cli.streams import GONE, drop, flushed, is_gone, open_streams
from provision.errors import Exit, InterruptError, KgpuError, UsageError
from provision.variables import DEBUG, OWN, PREFIX

# What the parser raises for every wrong use; Typer exports only this one of its kinds.
_WRONG_USE: type[Exception] = typer.BadParameter.__mro__[1]

_WIDEST = 120  # columns of the help: as wide as the terminal, up to here

GROUP: Final[dict[str, Any]] = {"cls": HelpGroup, "no_args_is_help": True, "rich_markup_mode": None}
app = typer.Typer(
    name="kgpu-env",
    help="Provision Keras environments in containers for CUDA and ROCm hosts, and prove that the GPU is used.",
    **GROUP,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST},
)


class _Debug:
    """Whether tracebacks are shown; set once, before a command runs."""

    on = bool(os.environ.get(DEBUG))


class _Before:
    """What stood before the command's name."""

    quiet = False
    verbose = False


def _version(value: bool) -> None:
    if value:
        print_result(f"kgpu-env {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    _Debug.on = _Debug.on or debug
    _Before.quiet, _Before.verbose = quiet, verbose


def register(command: Command) -> None:
    """Make a command, or a group of commands, known to the parser."""
    module = command.module()
    group = getattr(module, "group", None)
    if group is not None:
        app.add_typer(group, name=command.name, rich_help_panel=command.section)
    else:
        subcommand(app, command)(getattr(module, command.name))


def subcommand(group: typer.Typer, command: Command) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what adds a function to a group as the command that is meant; the function stays as it is."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        shape = spread(function, o.Verbosity)
        how: dict[str, Any] = {"cls": HelpCommand, "epilog": shape.note, "rich_help_panel": command.section}
        group.command(command.name, **how)(_catching(function, shape, variables=command.variables))
        return function

    return add


def _catching(function: Callable[..., None], shape: Spread, *, variables: bool) -> Callable[..., None]:
    """Wrap a command: its groups are spread into options; its errors are reported, and become the exit code.

    Args:
        function: the command.
        shape: its options.
        variables: whether a misspelt variable stops it.
    """

    @functools.wraps(function)
    def run(**options: object) -> None:
        begun = time.monotonic()
        as_json = bool(options.get("as_json"))
        settle_talk(options, quiet=_Before.quiet, verbose=_Before.verbose)
        try:
            if variables:
                check_environment()
            function(**shape.arguments(options))
        except KgpuError as error:
            _end(error, as_json=as_json)
        except KeyboardInterrupt:
            _end(InterruptError("KGE-900", "Interrupted."), as_json=as_json)
        except BrokenPipeError:
            _silence()
        except (typer.Exit, typer.Abort, _WRONG_USE):
            raise
        except Exception as error:  # noqa: BLE001 - the last resort: no traceback reaches a user without --debug
            _end(unforeseen(error), as_json=as_json)
        finally:
            detail(f"Took      {time.monotonic() - begun:.2f} s")

    run.__signature__ = shape.signature  # type: ignore[attr-defined] # read by inspect, unknown to its stub
    run.__annotations__ = {name: one.annotation for name, one in shape.signature.parameters.items()}
    return run


def check_environment() -> None:
    """Refuse a misspelt variable.

    Raises:
        InputError: KGE-612, a name begins as ours do and is none of them.
    """
    names = [name for name in os.environ if name.startswith(PREFIX) and name not in OWN]
    if names:
        from provision.config import check_variables  # noqa: PLC0415 - 6 ms, and most often there are none

        check_variables(names)


def _end(error: KgpuError, *, as_json: bool) -> NoReturn:
    if _Debug.on:
        warn(traceback.format_exc())  # of the error that is being handled, and of what caused it
    try:
        print_error(error, as_json=as_json)
    except BrokenPipeError:
        _silence()
    raise typer.Exit(int(error.exit_code))


def _silence() -> NoReturn:
    """Whoever reads stdout has gone: end as a program killed by SIGPIPE does, without a word."""
    drop(sys.stdout)
    raise typer.Exit(GONE)


def _misused(error: Exception, *, as_json: bool) -> int:
    """Report a command line that the parser refused; returns the exit code."""
    what: str = error.format_message()  # type: ignore[attr-defined] # the parser's own words
    incomplete = what.startswith("Usage:")  # no command at all: the parser's words are the help
    if incomplete and not as_json:
        warn(what)
        return int(Exit.USAGE)
    context = getattr(error, "ctx", None)
    fix = f"see {context.command_path if context else app.info.name} --help"
    print_error(UsageError("KGE-902", "There is no command." if incomplete else what, fix=fix), as_json=as_json)
    return int(Exit.USAGE)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    open_streams()
    signal.signal(signal.SIGTERM, _terminate)  # stopped by a service manager, it cleans up as on Ctrl-C
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup's wish
        signal.signal(signal.SIGHUP, _terminate)  # the same when its terminal is closed
    # A second call in one process begins anew: the parser is built from all that is registered.
    app.registered_commands.clear()
    app.registered_groups.clear()
    # Completion hands over the words in the environment, and needs all commands.
    for command in requested(() if ASKED in os.environ else sys.argv[1:]):
        register(command)
    with whole_words(os.environ):
        code = _ended()
    failed = flushed()
    if failed and code == Exit.OK:
        code = _untold(failed)
    sys.exit(code)


def _ended() -> int:
    """Run the command, and return its exit code."""
    try:
        code: int | None = app(prog_name="kgpu-env", standalone_mode=False)  # by whatever name it was started
    except _WRONG_USE as error:
        own = sys.argv[1 : sys.argv.index("--") if "--" in sys.argv else None]  # what is behind is another program's
        code = _misused(error, as_json="--json" in own)
    except KgpuError as error:  # from --version; a command's own are reported where it ran
        print_error(error, as_json=False)
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        warn("Interrupted.")
        code = Exit.INTERRUPTED
    except OSError as error:  # the parser's own writing: help, completion
        drop(sys.stdout)
        code = _untold(error)
    except SystemExit as ended:  # the parser ends so where it finds nobody to read it, and after completion
        code = GONE if ended.code == 1 else ended.code if isinstance(ended.code, int) else 0
    return int(code or 0)


def _untold(error: OSError) -> int:
    """Say that the answer could not be written; returns the exit code."""
    if is_gone(error):
        return GONE
    problem = unwritten(error)
    print_error(problem, as_json=False)
    return int(problem.exit_code)
