"""`kgpu-env up`: everything in one go."""

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.building import build_plan
from provision.cli.describing import headline
from provision.cli.output import say
from provision.cli.proving import deliver, prepare, prove, verify_request
from provision.cli.session import engine, plan, tell_warnings


@command
def up(*, stack: o.StackOptions, proof: o.ProofOptions, reports: o.ReportOptions, as_json: o.Json = False) -> None:
    """Probe, resolve, render, build and verify."""
    from provision.cli.session import probe_this_host

    secret = prepare(proof, reports)
    found = plan(stack, as_json=as_json)
    # The image may be for another machine (--host); what verifies it is this one.
    here = probe_this_host()
    say(f"Host      {headline(found.host if stack.host else here)}")
    say(f"Stack     {found.stack.summary}")
    if found.stack.why:
        say(f"          {found.stack.why}")
    tell_warnings(found.stack)
    with engine() as connected:
        built = build_plan(connected, found)
        judged = prove(connected, built.tag, verify_request(proof, found.stack.vendor), here, secret)
    deliver(judged, reports, as_json=as_json, stack=found.stack)
