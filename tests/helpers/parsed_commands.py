"""Every command as the parser has it, for the test of the help and for the pages that are made of it."""

from typing import Any

import typer

from provision.cli.app import app, register
from provision.cli.commands import COMMANDS


def parsed_commands() -> dict[str, Any]:
    """Return the parser's context of each command by its words: "build", "catalogue list"; and of the program, ""."""
    app.registered_commands.clear()
    app.registered_groups.clear()
    for one in COMMANDS:
        register(one)
    main: Any = typer.main.get_command(app)
    top = typer.Context(main, info_name="kgpu-env", **main.context_settings)
    found: dict[str, Any] = {"": top}
    for name, command in main.commands.items():
        context = typer.Context(command, info_name=name, parent=top)
        inner = getattr(command, "commands", {})
        if not inner:
            found[name] = context
        for other, one in inner.items():
            found[f"{name} {other}"] = typer.Context(one, info_name=other, parent=context)
    return found
