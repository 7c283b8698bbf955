"""What programs and the command line call: the way from a host to a proof, in functions that take whole values.

Each does what the command of its name does, and raises `provision.errors.KgpuError` where the command would end with
a code. Nothing is printed: what a person may want to hear goes to the callbacks. What of this process's environment
is read, the functions say. A function imports the room that does its work when it is called, so that who resolves
does not pay for proving.
"""

from provision.api.bundle import bundle, bundle_image
from provision.api.bundled import build_bundle, bundled_image, check_bundled_image, copy_lock
from provision.api.candidates import Choice
from provision.api.catalogue import check_published, draft_rows
from provision.api.doctor import examine_host
from provision.api.hosts import capture, engine, image_names, probe_capture, probe_host, read_host
from provision.api.images import build, image_size, look_up, pinned, read_configuration
from provision.api.jobs import Work, job
from provision.api.local_code import local_pins
from provision.api.locks import lock
from provision.api.packages import choose, complete, pins, read_wanted
from provision.api.prepare import preparation, prepare
from provision.api.prove import verify, verify_here
from provision.api.prune import remove_unused, unused
from provision.api.records import Records, gate, gate_here, key_pair, own_key
from provision.api.report import report
from provision.api.stacks import render, resolve, written_proxies
from provision.api.supply import attach, inspect, provenance, sbom
from provision.model import BuildOptions

__all__ = [
    "BuildOptions",
    "Choice",
    "Records",
    "Work",
    "attach",
    "build",
    "build_bundle",
    "bundle",
    "bundle_image",
    "bundled_image",
    "capture",
    "check_bundled_image",
    "check_published",
    "choose",
    "complete",
    "copy_lock",
    "draft_rows",
    "engine",
    "examine_host",
    "gate",
    "gate_here",
    "image_names",
    "image_size",
    "inspect",
    "job",
    "key_pair",
    "local_pins",
    "lock",
    "look_up",
    "own_key",
    "pinned",
    "pins",
    "preparation",
    "prepare",
    "probe_capture",
    "probe_host",
    "provenance",
    "read_configuration",
    "read_host",
    "read_wanted",
    "remove_unused",
    "render",
    "report",
    "resolve",
    "sbom",
    "unused",
    "verify",
    "verify_here",
    "written_proxies",
]
