"""A fleet's status as one page: `templates/fleet/status.j2`, nothing fetched, filtered and sorted in the browser.

Names and texts of nodes are others': the template engine escapes them, the list of nodes is JSON without "<" that the
script shows as text, and no other script may run.
"""

import base64
import hashlib

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from provision import __version__
from provision.model.fleet_status import FleetStatus
from provision.resources import folder

_HIDDEN = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029\u202a\u202b\u202c\u202d\u202e"}


def page(status: FleetStatus) -> str:
    """Return the HTML text of a status."""
    place = folder("templates") / "fleet"
    script = (place / "status.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(place),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    nodes = [{**msgspec.to_builtins(one), "why": one.why, "age_hours": one.age_hours} for one in status.nodes]
    return environment.get_template("status.j2").render(
        status=status,
        total=len(status.nodes),
        version=__version__,
        style=Markup((place / "status.css").read_text(encoding="utf-8")),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - as above
        digest=Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),  # noqa: S704 - of it
        data=Markup(_json(nodes)),  # noqa: S704 - no "<" in it
    )


def _json(value: object) -> str:
    text = msgspec.json.encode(value).decode("utf-8", "replace")
    return text.translate(_HIDDEN)
