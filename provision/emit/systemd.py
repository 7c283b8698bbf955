"""`export systemd`: the gate at boot, and a proof when the record is stale.

Source: systemd.service(5), systemd.unit(5); OnSuccess= is of systemd 249 (checked 2026-11-29).
"""

from provision.emit.order import Order
from provision.emit.serialize import as_unit

GATE = "kgpu-env-gate.service"
VERIFY = "kgpu-env-verify.service"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/root/.local/bin"
_LIMIT = "20min"  # of a proof, images' first start included


def systemd(order: Order) -> dict[str, str]:
    """Return a unit that is active while the proof holds, and the one that proves again where it does not."""
    comments = [
        order.title,
        f"Put both files into /etc/systemd/system, then: systemctl daemon-reload && systemctl enable --now {GATE}",
        f"What needs a proved GPU: Requires={GATE} and After={GATE}",
    ]
    gate = {
        "Unit": [
            ("Description", f"Proof of {order.reference} on this node"),
            ("After", "docker.service systemd-modules-load.service"),
            ("OnFailure", VERIFY),
        ],
        "Service": [
            ("Type", "oneshot"),
            ("RemainAfterExit", "yes"),
            ("Environment", f"PATH={_PATH}"),
            ("ExecStart", f'/usr/bin/env kgpu-env gate "{order.reference}"'),
            ("TimeoutStartSec", "60s"),
        ],
        "Install": [("WantedBy", "multi-user.target")],
    }
    verify = {
        "Unit": [
            ("Description", f"Prove {order.reference} on this node"),
            ("After", "docker.service"),
            ("OnSuccess", GATE),
        ],
        "Service": [
            ("Type", "oneshot"),
            ("Environment", f"PATH={_PATH}"),
            ("ExecStart", f'/usr/bin/env kgpu-env verify "{order.reference}"'),
            ("TimeoutStartSec", _LIMIT),
        ],
    }
    return {GATE: as_unit(comments, gate), VERIFY: as_unit(comments[:1], verify)}
