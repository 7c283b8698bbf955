"""The trainings."""

from __future__ import annotations

import time
from typing import Any

from .model import BATCH, data, initial, sequential
from .record import message, number
from .tell import silent


def explicit(backend: Any, spec: dict[str, Any], name: str, record: dict[str, Any], tell: Any = silent) -> None:
    """Train on the device `name`, and nowhere else, into `record`; before each epoch `tell` gets its number."""
    backend.exact(True)  # noqa: FBT003 - on
    backend.keras.utils.set_random_seed(spec["seed"])
    trainer = backend.trainer(name, data(backend.np, spec["seed"]), initial(backend.np, spec["seed"]))
    begun = time.monotonic()
    for epoch in range(spec["epochs"]):
        tell(epoch + 1)
        losses = trainer.losses()
        known = [loss for loss in losses if loss is not None]
        record["losses"].append(sum(known) / len(known) if len(known) == len(losses) else None)
    record["seconds"] = time.monotonic() - begun
    trainer.witness(record)
    record["memory"] = backend.memory(name)


def implicit(backend: Any, spec: dict[str, Any], record: dict[str, Any]) -> None:
    """Train as users write it, compile and fit without a device, into `record`."""
    backend.exact(False)  # noqa: FBT003 - off
    backend.before_fit()
    backend.keras.utils.set_random_seed(spec["seed"])
    inputs, labels = data(backend.np, spec["seed"])
    model = sequential(backend.keras)
    jit = {} if spec["jit_compile"] == "auto" else {"jit_compile": spec["jit_compile"]}
    model.compile(optimizer="adam", loss="categorical_crossentropy", **jit)
    begun = time.monotonic()
    history = model.fit(inputs, labels, epochs=spec["epochs"], batch_size=BATCH, shuffle=False, verbose=0)
    record["seconds"] = time.monotonic() - begun
    record["losses"] = [number(loss) for loss in history.history["loss"]]
    record["weights"] = [
        backend.place(str(getattr(weight, "name", None) or i), weight)
        for i, weight in enumerate(backend.variables(model))
    ]
    record["tensors"] = [backend.place("output", model(inputs[:BATCH]))]
    backend.after_fit(model, (inputs[:BATCH], labels[:BATCH]), record)


def training(kind: str, device: str, work: Any) -> dict[str, Any]:
    """Run one training and keep whatever it recorded, also when it fails."""
    record: dict[str, Any] = {"kind": kind, "device": device, "losses": [], "seconds": None, "error": None}
    record.update({"weights": [], "tensors": [], "gradients": [], "ops": None, "ops_error": None, "memory": None})
    try:
        work(record)
    except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence; the judge decides
        record["error"] = message(error)
    return record


def asked(listed: list[dict[str, Any]], spec: dict[str, Any]) -> list[str]:
    """Return the names of the devices to train on, at least one: a missing GPU must fail, not vanish."""
    indices = spec["indices"]
    if indices == "all":
        indices = range(sum(row["type"] == spec["device"] for row in listed) or 1)
    return [f"/{spec['device']}:{one}" for one in indices]


def trainings(backend: Any, spec: dict[str, Any], names: list[str], tell: Any = silent) -> Any:
    """Yield the trainings: on each device, on the CPU for comparison, and without a device."""
    kinds = [("explicit", name) for name in names]
    if "reference" in spec["parts"] and spec["device"] != "CPU":
        kinds.append(("reference", "/CPU:0"))
    for place, (kind, name) in enumerate(kinds, 1):
        count = {"device": name, "number": place, "total": len(kinds) + 1, "epochs": spec["epochs"]}

        def told(epoch: int, count: Any = count) -> None:
            tell("training", epoch=epoch, **count)

        yield training(kind, name, lambda into, name=name, told=told: explicit(backend, spec, name, into, told))
    tell("training", number=len(kinds) + 1, total=len(kinds) + 1)  # fit, as users write it: nothing listens inside
    yield training("implicit", "", lambda into: implicit(backend, spec, into))
