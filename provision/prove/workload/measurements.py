"""What is asked for beyond the trainings: products, rates, libraries, the profiler, and soaking."""

from __future__ import annotations

import time
from typing import Any

from .model import data, difference, initial, square
from .record import message, number
from .tell import silent

PRODUCT = 512  # rows of the fixed product that CPU and GPU both compute
SHOWN = 64  # values of a result that travel to the judge
SPEED = {"GPU": (4096, 10), "CPU": (1024, 4)}  # rows of a product and how often: about a tenth of a second each
BLOCK = {"GPU": 1024, "CPU": 64}  # MiB that a soak writes and reads back in each round


def products(backend: Any, names: list[str]) -> list[dict[str, Any]]:
    """Return the same fixed product from every device: some of its values, and how far it is from NumPy's."""
    backend.exact(True)  # noqa: FBT003 - on
    matrix = square(backend.np, PRODUCT)
    expected = matrix.astype("float64") @ matrix.astype("float64")
    found = []
    for name in names:
        row: dict[str, Any] = {"device": name, "place": "", "values": [], "difference": None, "error": None}
        try:
            got, row["place"] = backend.run(backend.product(matrix), name)
            row["values"] = [number(value) for value in got.ravel()[:: PRODUCT * PRODUCT // SHOWN]]
            row["difference"] = difference(backend.np, got.astype("float64"), expected)
        except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence
            row["error"] = message(error)
        found.append(row)
    return found


def rate(backend: Any, name: str) -> float:
    """Return the floating-point operations per second of a chain of products on a device."""
    rows, times = SPEED["GPU" if "GPU" in name else "CPU"]
    with backend.on(name):
        work = backend.powers(square(backend.np, rows), times)
        work()  # the first call loads, chooses and compiles
        begun = time.monotonic()
        work()
        return 2.0 * rows**3 * times / (time.monotonic() - begun)


def speeds(backend: Any, names: list[str]) -> list[dict[str, Any]]:
    """Return the rate of every device."""
    backend.exact(True)  # noqa: FBT003 - on: a peak is known for float32 in full
    found = []
    for name in names:
        row: dict[str, Any] = {"device": name, "flops": None, "error": None}
        try:
            row["flops"] = number(rate(backend, name))
        except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence
            row["error"] = message(error)
        found.append(row)
    return found


def library_row(name: str, device: str) -> dict[str, Any]:
    """Return a row of the library table in which nothing is known yet."""
    return {"name": name, "device": device, "place": "", "difference": None, "seconds": None, "error": None}


def not_asked(name: str, device: str, why: str) -> dict[str, Any]:
    """Return the row of a library that cannot be asked for anything here."""
    return {**library_row(name, device), "not_asked": why}


def library_rows(backend: Any, names: list[str]) -> list[dict[str, Any]]:
    """Return what each GPU library computes on each device, against the CPU."""
    backend.exact(True)  # noqa: FBT003 - on
    backend.before_fit()
    found = []
    for name in names:
        for what, function in backend.operations().items():
            row = library_row(what, name)
            try:
                expected, base = backend.run(function, "/CPU:0")
                if "cpu" not in base.lower():
                    found.append(not_asked(what, name, f"nothing to compare with: the CPU's result came from {base}"))
                    continue
                backend.run(function, name)  # the first call loads, chooses and compiles
                begun = time.monotonic()
                got, row["place"] = backend.run(function, name)
                row["seconds"] = time.monotonic() - begun
                row["difference"] = difference(backend.np, got, expected)
            except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence
                row["error"] = message(error)
            found.append(row)
        found += [not_asked(what, name, why) for what, why in backend.not_asked.items()]
    return [*found, collective(backend, names)]


def collective(backend: Any, names: list[str]) -> dict[str, Any]:
    """Return what all devices together make of a sum."""
    row = library_row("collective", " ".join(names))
    if len(names) == 1:
        return not_asked("collective", names[0], "one device has nothing to sum with")
    begun = time.monotonic()
    try:
        got, expected, row["place"] = backend.collective(names)
        row["difference"] = difference(backend.np, got, expected)
        row["seconds"] = time.monotonic() - begun
    except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence
        row["error"] = message(error)
    return row


def soak(backend: Any, name: str, minutes: float) -> dict[str, Any]:
    """Work on a device for some minutes; return rounds, wrong results, and how its rate went."""
    row: dict[str, Any] = {"device": name, "rounds": 0, "wrong": 0, "rates": [], "seconds": 0.0, "error": None}
    begun = time.monotonic()
    size = BLOCK["GPU" if "GPU" in name else "CPU"]
    try:
        first, _ = backend.run(backend.product(square(backend.np, PRODUCT)), name)
        while time.monotonic() - begun < minutes * 60:
            again, _ = backend.run(backend.product(square(backend.np, PRODUCT)), name)
            with backend.on(name):
                filled = backend.filled(size)
            # The mean of 0 .. size - 1 is exact to a few parts in 10 million in float32.
            row["wrong"] += int(not (again == first).all()) + int(abs(filled / ((size - 1) / 2) - 1) > 1e-3)  # noqa: PLR2004 - said above
            row["rates"].append(rate(backend, name))
            row["rounds"] += 1
    except Exception as error:  # noqa: BLE001 - a device that is lost raises anything
        row["error"] = message(error)
    # A long soak has thousands of rounds: the judge needs how it began, its worst and how it ended.
    rates = row["rates"]
    row["rates"] = [rates[0], min(rates), rates[-1]] if rates else []
    row["seconds"] = time.monotonic() - begun
    return row


def profile(backend: Any, spec: dict[str, Any], names: list[str], record: dict[str, Any]) -> None:
    """Record what the framework's profiler sees on the devices during one epoch on each."""
    try:
        arrays, weights = data(backend.np, spec["seed"]), initial(backend.np, spec["seed"])
        trainers = [backend.trainer(name, arrays, weights) for name in names]
        record["planes"] = backend.profiled(lambda: [trainer.losses() for trainer in trainers])
    except Exception as error:  # noqa: BLE001 - a profiler needs rights and libraries that a training does not
        record["planes_error"] = message(error)


def more(backend: Any, spec: dict[str, Any], names: list[str], record: dict[str, Any], tell: Any = silent) -> None:
    """Do the parts beyond the trainings that the spec asks for."""
    parts = spec["parts"]
    both = list(dict.fromkeys([*names, "/CPU:0"]))
    if "product" in parts:
        tell("product")
        record["products"] = products(backend, both)
    if "profile" in parts:
        tell("profile")
        profile(backend, spec, names, record)
    if "speed" in parts:
        tell("speed")
        record["speeds"] = speeds(backend, both)
    if "libraries" in parts:
        tell("libraries")
        record["libraries"] = library_rows(backend, names)
    if spec["minutes"]:
        record["soaks"] = []
        for number, name in enumerate(names, 1):
            tell("soak", device=name, number=number, total=len(names))
            record["soaks"].append(soak(backend, name, spec["minutes"]))
