"""The witnesses of work: device memory, the profiler, the host's view, speed, and minutes of soaking."""

from typing import NamedTuple

from provision.model import Check, Status, Vendor
from provision.prove.checks import check
from provision.prove.evidence import Evidence, Soak
from provision.prove.expectation import Expectation
from provision.prove.outside import Outside
from provision.prove.peak import peak
from provision.prove.placement import explicit_on, places, target

# Weights and biases of Dense(128) on 784 inputs and Dense(10), in float32: what any device that trains it must hold.
MODEL_BYTES = 4 * (784 * 128 + 128 + 128 * 10 + 10)
MIB = 1 << 20
# Of the peak: large float32 products reach three quarters where nothing is wrong (an H100, docs/hardware).
FAR = 0.2  # a rate below this has a cause
BEYOND = 1.1  # NVIDIA's GPUs have no faster way to full float32; AMD's have matrix units, and issue two at a time
CAUSES = "a power cap, clocks held low, heat, or another program on it"
FADED = 0.7  # a rate that ends below this part of its beginning was throttled or shared


def work(expectation: Expectation, evidence: Evidence) -> Check:
    """Did each device hold the model, and did the profiler see it work?"""
    if expectation.vendor is Vendor.CPU:
        return check("work", Status.SKIP, "no GPU was asked for")
    asked = places(expectation, evidence)
    records = [explicit_on(evidence, place) for place in asked]
    peaks = [record.memory.peak for record in records if record and record.memory]
    events = {place: (evidence.planes or {}).get(f"/device:{place}", 0) for place in asked}
    if any(peak < MODEL_BYTES for peak in peaks):
        detail = f"a device held at most {min(peaks)} bytes, less than the model's {MODEL_BYTES}"
        return check("work", Status.FAIL, detail)
    if elsewhere := _elsewhere(evidence, asked):
        # The profiler's own numbers may be the host's where only some GPUs are shown, so this is no failure.
        detail = f"the profiler saw kernels on {', '.join(elsewhere)} and none on {', '.join(asked)}"
        return check("work", Status.WARN, detail)
    if len(peaks) < len(asked) and not all(events.values()):
        return check("work", Status.UNKNOWN, "the framework does not count a device's memory, nor its profiler kernels")
    seen = [f"at least {min(peaks) / MIB:.0f} MiB held on each device"] if peaks else []
    return check("work", Status.PASS, "; ".join([*seen, _profiler(evidence, events)]))


def _elsewhere(evidence: Evidence, asked: tuple[str, ...]) -> list[str]:
    """Return the GPUs on which the profiler saw kernels, when it saw none on those asked for."""
    busy = {target(plane) for plane, count in (evidence.planes or {}).items() if count} - {"", "CPU:0"}
    return [] if busy & set(asked) else sorted(busy)


def _profiler(evidence: Evidence, events: dict[str, int]) -> str:
    if evidence.planes is None:
        why = f": {evidence.planes_error.text}" if evidence.planes_error else ""
        return f"the profiler was not used{why}"
    if not all(events.values()):
        # It needs CUPTI or roctracer, and on some hosts a right: the training itself needs neither.
        return "the profiler saw no kernels: it may lack its library or the right to look"
    return "kernels seen by the profiler: " + ", ".join(f"{count} on {place}" for place, count in events.items())


def speed(expectation: Expectation, evidence: Evidence) -> Check:
    """Is each GPU faster than the CPU beside it, and not far below its own peak? Slowness is a warning, no failure."""
    if expectation.vendor is Vendor.CPU:
        return check("speed", Status.SKIP, "no GPU was asked for")
    if not evidence.speeds:
        return check("speed", Status.SKIP, "not measured at this level")
    rates = {target(item.device): item.flops for item in evidence.speeds}
    base, asked = rates.get("CPU:0"), places(expectation, evidence)
    missing = [place for place in asked if rates.get(place) is None]
    if missing or base is None:
        return check("speed", Status.UNKNOWN, f"no rate of {', '.join(missing) or 'the CPU'}")
    bounded = expectation.vendor is Vendor.CUDA
    rows = [_Rate(place, rates[place] or 0.0, base, peak(expectation, evidence, place), bounded) for place in asked]
    faults = [row.fault for row in rows if row.fault]
    detail = ", ".join(map(str, rows)) + f"; CPU {base / 1e12:.3g}, in float32 products"
    return check("speed", Status.WARN if faults else Status.PASS, "; ".join([*faults, detail]))


class _Rate(NamedTuple):
    """How fast a device multiplies, in floating-point operations per second."""

    place: str
    flops: float
    cpu: float
    peak: float | None
    bounded: bool  # nothing on it computes float32 faster than its peak

    @property
    def fault(self) -> str:
        if self.flops < self.cpu:
            return f"{self.place} is slower than the CPU"
        if self.peak and self.flops < FAR * self.peak:
            return f"{self.place} is far below its peak: {CAUSES}"
        if self.peak and self.bounded and self.flops > BEYOND * self.peak:
            return f"{self.place} is faster than it can be: it did not compute in float32, or its clock is wrong"
        return ""

    def __str__(self) -> str:
        share = (
            f"{100 * self.flops / self.peak:.0f} % of its peak of {self.peak / 1e12:.3g}"
            if self.peak
            else "peak unknown"
        )
        return f"{self.place} {self.flops / 1e12:.3g} TFLOP/s ({self.flops / self.cpu:.1f}x the CPU, {share})"


def soak(expectation: Expectation, evidence: Evidence, seen: Outside | None = None) -> Check:
    """Did each device keep its results, its memory, its rate and its temperature for the minutes asked for?"""
    if expectation.level != "soak":
        return check("soak", Status.SKIP, "asked for with --level soak --minutes N")
    done = {target(item.device): item for item in evidence.soaks}
    asked = places(expectation, evidence)
    faults = [_fault(place, done.get(place)) for place in asked]
    if any(faults):
        return check("soak", Status.FAIL, "; ".join(fault for fault in faults if fault))
    faded = [place for place in asked if done[place].rates[-1] < FADED * done[place].rates[0]]
    climate = seen.climate if seen else None
    warmth = f"; hottest {climate.celsius} C" if climate and climate.celsius is not None else "; temperature unknown"
    detail = ", ".join(_course(place, done[place]) for place in asked) + warmth
    if faded or (climate and climate.slowed):
        words = [f"{place} became slower" for place in faded] + list(climate.slowed if climate else ())
        return check("soak", Status.WARN, f"{', '.join(words)}: {detail}")
    return check("soak", Status.PASS, detail)


def _fault(place: str, item: Soak | None) -> str:
    if item is None:
        return f"no soak of {place} is recorded"
    if item.error:
        return f"{place} failed after {item.rounds} rounds: {item.error.type}: {item.error.text}"
    if item.wrong:
        return f"{place} gave {item.wrong} wrong results in {item.rounds} rounds"
    return "" if item.rounds and item.rates else f"{place} did not finish one round"


def _course(place: str, item: Soak) -> str:
    first, lowest, last = item.rates[0], min(item.rates), item.rates[-1]
    rates = " / ".join(f"{rate / 1e12:.3g}" for rate in (first, lowest, last))
    return (
        f"{place}: {item.rounds} rounds in {item.seconds / 60:.1f} min, none wrong, first/lowest/last {rates} TFLOP/s"
    )


def outside(expectation: Expectation, seen: Outside | None) -> Check:
    """Did the host see the workload's process on a GPU? Hosts that cannot tell are no failure."""
    if expectation.vendor is Vendor.CPU:
        return check("outside", Status.SKIP, "no GPU was asked for")
    if seen is None:
        return check("outside", Status.UNKNOWN, "the host was not watched")
    if seen.held_bytes:
        detail = f"process {seen.pid} held up to {seen.held_bytes / MIB:.0f} MiB of GPU memory, says {seen.source}"
        return check("outside", Status.PASS, detail)
    return check("outside", Status.UNKNOWN, seen.why or f"{seen.source} named no GPU memory of process {seen.pid}")
