"""`export ansible`: the role that `fleet apply` itself uses, and playbooks that name the image.

Source: https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_reuse_roles.html (checked 2026-11-30).
"""

from textwrap import wrap
from typing import Any

from provision.emit.order import Order
from provision.emit.serialize import as_yaml
from provision.model import Vendor
from provision.resources import folder

ROLE = "roles/kgpu_env"
_WIDTH = 118  # of a comment; ansible-lint allows 160
# The modules that the role uses are of one collection: https://galaxy.ansible.com/ui/repo/published/community/docker/
_COLLECTIONS = {"collections": [{"name": "community.docker", "version": ">=3.6.0"}]}


def ansible(order: Order) -> dict[str, str]:
    """Return a playbook that brings the image to nodes and proves it there, one that only asks, and the role."""
    values = _image(order) | ({"kgpu_env_gpu": False} if order.stack.vendor is Vendor.CPU else {})
    prove: dict[str, Any] = {
        "name": "Bring the image to the nodes and prove it there",
        "hosts": "{{ kgpu_env_hosts | default('all') }}",
        "gather_facts": False,
        "serial": "{{ kgpu_env_serial | default('100%') }}",
        "max_fail_percentage": "{{ kgpu_env_stop_share | default(10) }}",
        "vars": values,
        "roles": [{"role": "kgpu_env"}],
    }
    ask = {
        "name": "Ask whether the proof of each node holds",
        "hosts": "{{ kgpu_env_hosts | default('all') }}",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Ask kgpu-env",
                "ansible.builtin.command": {
                    "argv": ["{{ kgpu_env_command | default('kgpu-env') }}", "gate", values["kgpu_env_image"]]
                },
                "changed_when": False,
                "check_mode": False,
            }
        ],
    }
    title = wrap(order.title, _WIDTH)
    head = [
        *title,
        "ansible-galaxy collection install -r requirements.yml; nodes have kgpu-env, and requests for their Python.",
        "ansible-playbook -i INVENTORY prove.yml --check changes nothing. Variables: ansible-doc --type role kgpu_env",
    ]
    return {
        "prove.yml": _playbook(head, prove),
        "gate.yml": _playbook(title, ask),
        "requirements.yml": _playbook([], _COLLECTIONS, listed=False),
        **_role(),
    }


def _image(order: Order) -> dict[str, Any]:
    """Return what the role is told of the image: by its digest in a registry where that is known."""
    name, _, digest = order.reference.partition("@")
    if not digest:
        return {"kgpu_env_image": order.reference, "kgpu_env_reference": order.image or ""}
    return {"kgpu_env_image": order.plan.tag, "kgpu_env_reference": f"{name}@{digest}"}


def _playbook(head: list[str], content: object, *, listed: bool = True) -> str:
    comments, body = as_yaml(head), as_yaml([], [content] if listed else content)
    return f"---\n{comments}{body}"


def _role() -> dict[str, str]:
    place = folder("templates") / "ansible" / ROLE
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return {f"{ROLE}/{path.relative_to(place)}": path.read_text(encoding="utf-8") for path in files}
