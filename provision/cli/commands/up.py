"""`kgpu-env up`: everything in one go."""

from provision import library
from provision.cli import options as o
from provision.cli.app import command
from provision.cli.building import build_plan
from provision.cli.describing import headline
from provision.cli.output import say
from provision.cli.proving import deliver, prepare, tell, verify_request
from provision.cli.session import plan, tell_warnings, this_host


@command
def up(*, stack: o.StackOptions, proof: o.ProofOptions, reports: o.ReportOptions, as_json: o.Json = False) -> None:
    """Probe, resolve, render, build and verify."""
    records = prepare(proof, reports)
    found = plan(stack, as_json=as_json)
    # The image may be for another machine (--host); what verifies it is this one.
    here = this_host()
    say(f"Host      {headline(found.host if stack.host else here)}")
    say(f"Stack     {found.stack.summary}")
    if found.stack.why:
        say(f"          {found.stack.why}")
    tell_warnings(found.stack)
    request = verify_request(proof, found.stack.vendor)
    with library.engine() as engine:
        built = build_plan(found, engine=engine)
        judged = library.verify(
            built.tag, request, host=here, records=records, engine=engine, catalogue=found.catalogue, say=tell
        )
    deliver(judged, reports, as_json=as_json, stack=found.stack)
