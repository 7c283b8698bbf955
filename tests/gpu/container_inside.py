"""What the driver says inside a container, asked without any framework."""

import json
from typing import Any

import gpu_image
from container_scene import Scene, WrongError

from provision.engine.protocol import Access, Ran, Run

# What the driver itself says inside, and which nodes have arrived.
INSIDE = """
import ctypes, glob, json
said = {"nodes": sorted(glob.glob("/dev/nvidia*")), "init": None, "count": 0}
try:
    cuda, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
    said["init"] = cuda.cuInit(0)
    cuda.cuDeviceGetCount(ctypes.byref(count))
    said["count"] = count.value
except OSError as error:
    said["problem"] = str(error)
print(json.dumps(said))
"""


def run(scene: Scene, access: Access) -> Ran:
    """Run the question to the driver."""
    command = ("python3", "-c", INSIDE)
    return scene.connected.run(Run(image=gpu_image.NAME, command=command, access=access, seconds=scene.left))


def heard(ran: Ran, *, wrong: bool = True) -> dict[str, Any]:
    """Return what the driver said inside.

    Raises:
        WrongError: it did not run, or with `wrong` it has no GPU.
    """
    if ran.exit_code != 0:
        raise WrongError(f"exit {ran.exit_code}: {ran.refused or ran.stderr.strip()[-500:]}")
    said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    if wrong and not (said["nodes"] and said["init"] == 0 and said["count"]):
        raise WrongError(f"the driver inside has no GPU: {said}", seen=said)
    return said
