"""A host in words, for `probe` and `up`."""

from provision.model import Gpu, Host


def describe(host: Host) -> list[str]:
    """Return the lines that tell a person what the host is."""
    lines = [f"GPU       {_gpu(gpu)}" for gpu in host.gpus] or ["GPU       none found"]
    if not host.gpus and host.looked_at:
        lines.append(f"          looked at: {', '.join(host.looked_at)}")
    lines += [
        f"Driver    {driver.vendor} {driver.release or driver.version or ''}"
        + (f" (module {driver.version})" if driver.release and driver.version else "")
        + (f", {driver.flavour}" if driver.flavour else "")
        for driver in host.drivers
    ]
    lines.append(f"Engine    {_engine(host)}")
    lines += [f"Toolkit   {toolkit.name} {toolkit.version or ''} ({toolkit.path})" for toolkit in host.toolkits]
    lines.append(f"System    {host.distribution or 'unknown distribution'}, kernel {host.kernel or 'unknown'}")
    for finding in host.findings:
        lines.append(f"{finding.code}   {finding.severity}: {finding.text}")
        if finding.fix:
            lines.append(f"          mend: {finding.fix}")
    return lines


def headline(host: Host) -> str:
    """Return the host in one line."""
    kinds: dict[str, int] = {}
    for gpu in host.gpus:
        name = f"{gpu.name or gpu.vendor} ({gpu.architecture or 'unknown architecture'})"
        kinds[name] = kinds.get(name, 0) + 1
    parts = [f"{count} x {name}" for name, count in kinds.items()] or ["no GPU"]
    parts += [
        f"{driver.vendor} driver {driver.release or driver.version or 'of the kernel'}"
        + (f" ({driver.flavour})" if driver.flavour else "")
        for driver in host.drivers
    ]
    return ", ".join([*parts, _engine(host)])


def _gpu(gpu: Gpu) -> str:
    memory = f"{gpu.memory_bytes / 2**30:.0f} GiB" if gpu.memory_bytes else None
    parts = [
        gpu.name or gpu.vendor,
        gpu.architecture or "architecture unknown",
        memory,
        gpu.partition,
        gpu.pci,
        gpu.uuid,
    ]
    return ", ".join(part for part in parts if part)


def _engine(host: Host) -> str:
    engine = host.engine
    if engine is None:
        return "no container engine answers"
    extra = [f"CDI {' '.join(engine.cdi)}"] if engine.cdi else []
    extra += ["rootless"] if engine.rootless else []
    return ", ".join([f"{engine.name.capitalize()} {engine.version}", *extra])
