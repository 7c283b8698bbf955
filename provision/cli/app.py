"""The Typer application and the one place that turns errors into exit codes."""

import functools
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, NoReturn, TypeVar

import typer

from provision import __version__
from provision.cli.commands import register
from provision.cli.output import answer, report, say
from provision.errors import Exit, InterruptError, KgpuError

C = TypeVar("C", bound=Callable[..., None])

app = typer.Typer(
    name="kgpu-env",
    help="Provision Keras environments in containers for CUDA and ROCm hosts, and prove that the GPU is used.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _Debug:
    """Whether tracebacks are shown; set once, before a command runs."""

    on = bool(os.environ.get("KGPU_ENV_DEBUG"))


def _version(value: bool) -> None:
    if value:
        answer(f"kgpu-env {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    _Debug.on = _Debug.on or debug


def command(function: C) -> C:
    """Register a command under its function's name."""
    app.command(function.__name__)(catching(function))
    return function


def catching(function: C) -> C:
    """Wrap a command: its errors are reported, and become the exit code."""

    @functools.wraps(function)
    def run(**options: object) -> None:
        as_json = bool(options.get("as_json"))
        try:
            function(**options)
        except KgpuError as error:
            _end(error, as_json=as_json)
        except KeyboardInterrupt:
            _end(InterruptError("KGE-900", "Interrupted; nothing was left behind."), as_json=as_json)
        except BrokenPipeError:
            _silence()
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:  # the last resort: no traceback reaches a user without --debug
            if _Debug.on:
                raise
            what = f"Unexpected error: {type(error).__name__}: {error}"
            fix = "run it again with kgpu-env --debug to see where, and report it"
            _end(KgpuError("KGE-999", what, fix=fix), as_json=as_json)

    return run  # type: ignore[return-value] # the same signature, kept by wraps


def _end(error: KgpuError, *, as_json: bool) -> NoReturn:
    if _Debug.on:
        raise error
    report(error, as_json=as_json)
    raise typer.Exit(int(error.exit_code))


def _silence() -> NoReturn:
    """Whoever reads stdout has gone: end as a program killed by SIGPIPE does, without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(128 + signal.SIGPIPE)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; the entry point of the package."""
    signal.signal(signal.SIGTERM, _terminate)  # stopped by a service manager, it cleans up as on Ctrl-C
    # Completion hands over the words in the environment, and needs all commands.
    register(() if "_KGPU_ENV_COMPLETE" in os.environ else sys.argv[1:])
    try:
        app()
    except KeyboardInterrupt:
        say("Interrupted.")
        sys.exit(Exit.INTERRUPTED)
