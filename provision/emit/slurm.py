"""`export slurm`: the gate as Slurm's health check and prolog.

Source: https://slurm.schedmd.com/slurm.conf.html (HealthCheckProgram, Prolog) and .../prolog_epilog.html
(checked 2026-11-29).
"""

from provision.emit.order import Order
from provision.emit.serialize import from_template

FILES = ("health.sh", "prolog.sh", "slurm.conf")


def slurm(order: Order) -> dict[str, str]:
    """Return the health check, the prolog, and the lines of slurm.conf that name them.

    Nothing is drained until a person switches that on; no job with a GPU starts without a proof that holds.
    """
    values = {
        "title": order.title,
        "image": order.reference,
        "hiding": order.gpu_vendor.hiding if order.gpu_vendor else (),
    }
    return {name: from_template(f"slurm/{name}.j2", **values) for name in FILES}
