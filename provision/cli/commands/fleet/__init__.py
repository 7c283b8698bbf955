"""`kgpu-env fleet`: many nodes, few images, one verdict. One module for each command."""

import typer

from provision.cli.app import GROUP, subcommand
from provision.cli.commands import Command
from provision.cli.commands.fleet.apply import apply
from provision.cli.commands.fleet.build import build
from provision.cli.commands.fleet.doctor import doctor
from provision.cli.commands.fleet.plan import plan
from provision.cli.commands.fleet.probe import probe
from provision.cli.commands.fleet.status import status

group = typer.Typer(help="Plan, build and prove the images of many nodes.", **GROUP)
for command in (probe, doctor, plan, build, apply, status):
    subcommand(group, Command(command.__name__))(command)
