"""`kgpu-env up`: everything in one go."""

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.building import build_plan
from provision.cli.describing import headline
from provision.cli.output import check_writable, say
from provision.cli.proving import deliver, prove
from provision.cli.session import engine, plan, tell_warnings


@command
def up(
    vendor: o.Vendor = None,
    host: o.Host = None,
    fallback: o.Fallback = None,
    tensorflow: o.TensorFlow = None,
    python: o.Python = None,
    base: o.Base = None,
    cuda: o.Cuda = None,
    rocm: o.Rocm = None,
    package: o.Package = None,
    apt: o.Apt = None,
    tag: o.Tag = None,
    ca_bundle: o.CaBundle = None,
    gpus: o.Gpus = "all",
    report: o.Report = None,
    html: o.Html = None,
    timeout: o.Timeout = 600.0,
    profile: o.Profile = None,
    config: o.Config = None,
    as_json: o.Json = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Probe, resolve, render, build and verify."""
    from provision.cli.session import probe_this_host
    from provision.prove import VerifyRequest

    options = dict(locals())
    check_writable(report, html)
    found = plan(options)
    # The image may be for another machine (--host); what verifies it is this one.
    here = probe_this_host()
    say(f"Host      {headline(found.host if host else here)}")
    say(f"Stack     {found.stack.summary}")
    if found.stack.why:
        say(f"          {found.stack.why}")
    tell_warnings(found.stack)
    with engine() as connected:
        built = build_plan(connected, found)
        request = VerifyRequest(vendor=found.stack.vendor, gpus=gpus, seconds=timeout)
        proof = prove(connected, built.tag, request, here)
    deliver(proof, report, html, as_json=as_json, stack=found.stack)
