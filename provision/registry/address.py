"""Where the API of a registry is."""

import ipaddress
import re

from provision.model.reference import HUB

_HUB_API = "registry-1.docker.io"


def api_root(registry: str) -> str:
    """Return the root of a registry's API; loopback is spoken to without TLS, as engines do."""
    host = _HUB_API if registry == HUB else registry
    return f"{'http' if is_loopback(host) else 'https'}://{host}/v2"


def is_loopback(host: str) -> bool:
    """Tell whether a host, with or without port, is this machine by its loopback address."""
    name = re.sub(r":[0-9]+$", "", host).strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
