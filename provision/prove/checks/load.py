"""The witnesses of work: device memory, the profiler, the host's view, speed, and minutes of soaking."""

from collections.abc import Iterator

from provision.model import GPU_VENDORS, Speed, Status
from provision.prove.checks.case import Case, Outcome
from provision.prove.checks.peak import peak
from provision.prove.checks.placement import explicit_on, places, target
from provision.prove.evidence import Evidence, Soak
from provision.prove.expectation import Expectation

# Weights and biases of Dense(128) on 784 inputs and Dense(10), in float32: what any device that trains it must hold.
MODEL_BYTES = 4 * (784 * 128 + 128 + 128 * 10 + 10)
MIB = 1 << 20
# Of the peak: large float32 products reach three quarters where nothing is wrong (an H100, docs/hardware).
FAR = 0.2  # a rate below this has a cause
BEYOND = 1.1  # where a maker's peak is the bound: clocks were seen above the one that is told
CAUSES = "a power cap, clocks held low, heat, or another program on it"
LEAST_SECONDS = 1.0  # of a soak whose minutes are not known: no GPU was seen to take less for a few rounds
FADED = 0.7  # a rate that ends below this part of its beginning was throttled or shared


def work(case: Case) -> Outcome:
    """Did each device hold the model, and did the profiler see it work?"""
    evidence, asked = case.evidence, places(case.expectation, case.evidence)
    records = [explicit_on(evidence, place) for place in asked]
    peaks = [record.memory.peak for record in records if record and record.memory]
    events = {place: (evidence.planes or {}).get(f"/device:{place}", 0) for place in asked}
    if any(peak < MODEL_BYTES for peak in peaks):
        detail = f"a device held at most {min(peaks)} bytes, less than the model's {MODEL_BYTES}"
        return Status.FAIL, detail
    if elsewhere := _elsewhere(evidence, asked):
        # The profiler's own numbers may be the host's where only some GPUs are shown, so this is no failure.
        detail = f"the profiler saw kernels on {', '.join(elsewhere)} and none on {', '.join(asked)}"
        return Status.WARN, detail
    if len(peaks) < len(asked) and not all(events.values()):
        return Status.UNKNOWN, "the framework does not count a device's memory, nor its profiler kernels"
    seen = [f"at least {min(peaks) / MIB:.0f} MiB held on each device"] if peaks else []
    return Status.PASS, "; ".join([*seen, _profiler(evidence, events)])


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


def speed(case: Case) -> Outcome:
    """Is each GPU faster than the CPU beside it, and not far below its own peak? Slowness is a warning, no failure."""
    expectation, evidence = case.expectation, case.evidence
    if not evidence.speeds:
        return Status.SKIP, "not measured at this level"
    rows, asked = speeds(expectation, evidence), places(expectation, evidence)
    missing = sorted({*asked} - {row.device for row in rows}, key=asked.index)
    if missing:
        measured = {target(item.device) for item in evidence.speeds if (item.flops or 0) > 0}
        lost = [place for place in missing if place not in measured]
        return Status.UNKNOWN, f"no rate of {', '.join(lost) or 'the CPU'}"
    bounded = expectation.vendor.row.peak_is_bound
    faults = [fault for row in rows for fault in _slow(row, bounded=bounded)]
    told = ", ".join(_told(row) for row in rows)
    detail = f"{told}; CPU {rows[0].cpu_flops / 1e12:.3g}, in float32 products"
    return Status.WARN if faults else Status.PASS, "; ".join([*faults, detail])


def speeds(expectation: Expectation, evidence: Evidence) -> tuple[Speed, ...]:
    """Return the rates of the devices asked for, as far as they and the CPU's were measured."""
    rates = {target(item.device): item.flops or 0.0 for item in evidence.speeds}
    base = rates.get("CPU:0", 0.0)
    return tuple(
        Speed(device=place, flops=rates[place], cpu_flops=base, peak_flops=peak(expectation, evidence, place))
        for place in places(expectation, evidence)
        if base > 0 and rates.get(place, 0.0) > 0 and expectation.vendor in GPU_VENDORS
    )


def _told(row: Speed) -> str:
    most = row.peak_flops
    share = f"{100 * row.flops / most:.0f} % of its peak of {most / 1e12:.3g}" if most else "peak unknown"
    return f"{row.device} {row.flops / 1e12:.3g} TFLOP/s ({row.flops / row.cpu_flops:.1f}x the CPU, {share})"


def _slow(row: Speed, *, bounded: bool) -> Iterator[str]:
    """Yield what is odd about a rate."""
    place, rate, most = row.device, row.flops, row.peak_flops
    if rate < row.cpu_flops:
        yield f"{place} is slower than the CPU"
    elif most and rate < FAR * most:
        yield f"{place} is far below its peak: {CAUSES}"
    elif most and bounded and rate > BEYOND * most:
        yield f"{place} is faster than it can be: it did not compute in float32, or its clock is wrong"


def soak(case: Case) -> Outcome:
    """Did each device keep its results, its memory, its rate and its temperature for the minutes asked for?"""
    evidence, seen = case.evidence, case.outside
    done = {target(item.device): item for item in evidence.soaks}
    asked = places(case.expectation, evidence)
    faults = [_fault(place, done.get(place), case.expectation.minutes) for place in asked]
    if any(faults):
        return Status.FAIL, "; ".join(fault for fault in faults if fault)
    faded = [place for place in asked if done[place].rates[-1] < FADED * done[place].rates[0]]
    warmth = f"; hottest {seen.celsius} C" if seen and seen.celsius is not None else "; temperature unknown"
    detail = ", ".join(_course(place, done[place]) for place in asked) + warmth
    if faded or (seen and seen.slowed):
        words = [f"{place} became slower" for place in faded] + list(seen.slowed if seen else ())
        return Status.WARN, f"{', '.join(words)}: {detail}"
    return Status.PASS, detail


def _fault(place: str, item: Soak | None, minutes: float) -> str:
    if item is None:
        return f"no soak of {place} is recorded"
    if item.error:
        return f"{place} failed after {item.rounds} rounds: {item.error.type}: {item.error.text}"
    if item.wrong:
        return f"{place} gave {item.wrong} wrong results in {item.rounds} rounds"
    if not item.rounds or not item.rates:
        return f"{place} did not finish one round"
    if item.seconds < (60 * minutes or LEAST_SECONDS):
        return f"{place} worked for {item.seconds:.3g} s, not for {minutes:g} min"
    return "" if min(item.rates) > 0 else f"{place} has a round without a rate"


def _course(place: str, item: Soak) -> str:
    first, lowest, last = item.rates[0], min(item.rates), item.rates[-1]
    rates = " / ".join(f"{rate / 1e12:.3g}" for rate in (first, lowest, last))
    return (
        f"{place}: {item.rounds} rounds in {item.seconds / 60:.1f} min, none wrong, first/lowest/last {rates} TFLOP/s"
    )


def outside(case: Case) -> Outcome:
    """Did the host see the workload's process on a GPU? Hosts that cannot tell are no failure."""
    seen = case.outside
    if seen is None:
        return Status.UNKNOWN, "the host was not watched"
    if seen.held_bytes:
        detail = f"process {seen.pid} held up to {seen.held_bytes / MIB:.0f} MiB of GPU memory, says {seen.source}"
        return Status.PASS, detail
    return Status.UNKNOWN, seen.why or f"{seen.source} named no GPU memory of process {seen.pid}"
