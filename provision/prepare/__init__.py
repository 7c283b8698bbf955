"""Makes a bare GPU node ready: a plan from what the machine has, shown first, then carried out."""

from provision.prepare.carry_out import carry_out
from provision.prepare.machine import Machine, look
from provision.prepare.packages import Rows, Wishes
from provision.prepare.plan import plan
from provision.prepare.sources import check_mirror

__all__ = ["Machine", "Rows", "Wishes", "carry_out", "check_mirror", "look", "plan"]
