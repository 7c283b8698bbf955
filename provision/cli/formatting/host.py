"""A host in words, for `probe` and `up`."""

from provision.model import MAKERS, UNSEEN_GPU, Driver, Gpu, Host

_GIB = 2**30


def describe(host: Host, *, captured: bool = False) -> list[str]:
    """Return the lines that tell a person what the host is.

    Args:
        host: as probed.
        captured: it is a tree of files (--root), whose engine cannot be asked.
    """
    lines = [f"GPU       {_gpu(gpu)}" for gpu in host.gpus] or [f"GPU       {_none(host)}"]
    if not host.gpus and host.looked_at:
        lines.append(f"          looked at: {', '.join(host.looked_at)}")
    lines += [f"Driver    {_driver(driver)}" for driver in host.drivers]
    lines.append(f"Engine    {'not asked: this is a tree of files' if captured else _engine(host)}")
    lines += [
        f"Toolkit   {' '.join(filter(None, (toolkit.name, toolkit.version)))} ({toolkit.path})"
        for toolkit in host.toolkits
    ]
    lines.append(f"System    {host.distribution or 'unknown distribution'}, kernel {host.kernel or 'unknown'}")
    for finding in host.findings:
        lines.append(f"{finding.code}   {finding.severity}: {finding.text}")
        if finding.fix:
            lines.append(f"          fix: {finding.fix}")
    return lines


def _none(host: Host) -> str:
    return "not known" if any(finding.code == UNSEEN_GPU for finding in host.findings) else "none found"


def headline(host: Host) -> str:
    """Return the host in one line."""
    kinds: dict[str, int] = {}
    for gpu in (gpu for gpu in host.gpus if gpu.usable):
        name = f"{gpu.name or MAKERS[gpu.vendor]} ({gpu.architecture or 'unknown architecture'})"
        kinds[name] = kinds.get(name, 0) + 1
    parts = [f"{count} x {name}" for name, count in kinds.items()] or ["no usable GPU" if host.gpus else "no GPU"]
    drivers = [f"{_driver(driver)} driver" for driver in host.drivers]
    return ", ".join([*parts, *drivers, _engine(host)])


def _driver(driver: Driver) -> str:
    version = driver.release or driver.version or "without a version"
    notes = [f"module {driver.version}"] if driver.release and driver.version else []
    notes += [driver.flavour] if driver.flavour else []
    return f"{MAKERS[driver.vendor]} {version}" + (f" ({', '.join(notes)})" if notes else "")


def _memory(gpu: Gpu) -> str | None:
    if not gpu.memory_bytes:
        return None
    return f"{gpu.memory_bytes / _GIB:.0f} GiB" if gpu.memory_bytes >= _GIB else f"{gpu.memory_bytes >> 20} MiB"


def _gpu(gpu: Gpu) -> str:
    parts = [
        gpu.name or MAKERS[gpu.vendor],
        gpu.architecture or "architecture unknown",
        _memory(gpu),
        gpu.partition,
        f"{gpu.pci} [{gpu.device_id}]" if gpu.pci and gpu.device_id else gpu.pci,
        gpu.uuid,
        None if gpu.usable else f"not usable: {gpu.unusable}",
    ]
    return ", ".join(part for part in parts if part)


def _engine(host: Host) -> str:
    engine = host.engine
    if engine is None:
        return "no container engine answers"
    extra = [f"CDI {' '.join(engine.cdi)}"] if engine.cdi else []
    extra += ["rootless"] if engine.rootless else []
    return ", ".join([f"{engine.name.capitalize()} {engine.version}", *extra])
