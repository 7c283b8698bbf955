"""`kgpu-env up`: everything in one go."""

from provision import api
from provision.cli import options as o
from provision.cli.commands.build import build_with_progress, plan_to_build
from provision.cli.context import this_host
from provision.cli.formatting.host import headline
from provision.cli.live import Live
from provision.cli.origins import check_documents, with_documents
from provision.cli.output import log
from provision.cli.planning import log_warnings
from provision.cli.proving import prepare, verify_request, write_report


def up(
    *,
    options: o.BuildOptions,
    stack: o.StackOptions,
    proof: o.ProofOptions,
    reports: o.ReportOptions,
    talk: o.TalkOptions,  # noqa: ARG001 - read before the command runs
    as_json: o.Json = False,
) -> None:
    """Probe, resolve, render, build and verify.

    Examples:
        kgpu-env up
        kgpu-env up --fallback cpu
        kgpu-env up -r requirements.txt --html proof.html
    """
    check_documents(options, force=reports.force)
    records = prepare(proof, reports)
    found = plan_to_build(options, stack, as_json=as_json)
    # The image may be for another machine (--host); what verifies it is this one.
    here = this_host()
    log(f"Host      {headline(found.host if stack.host else here)}")
    log(f"Stack     {found.stack.summary}")
    if found.stack.why:
        log(f"          {found.stack.why}")
    log_warnings(found.stack)
    request = verify_request(proof, found.stack.vendor, found.request.gpus)
    with api.engine() as engine:
        built = build_with_progress(found, options, engine)
        built = with_documents(built, found, options, key=proof.key, force=reports.force)
        with Live("Verify") as live:
            judged = api.verify(
                found.tag,  # by which the gate and the exports know it
                request,
                host=here,
                records=records,
                engine=engine,
                catalogue=found.catalogue,
                log=live.log,
                on_event=live,
            )
    write_report(judged, reports, as_json=as_json, stack=found.stack)
