"""What a vendor is stands in one table: every member goes all the way, and a made-up one as far as there are facts."""

import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

import msgspec
import pytest
from trees import build

from provision import cli, model
from provision.catalogue import load
from provision.emit import OUTPUTS, Order, emit
from provision.emit.serialize import CHECK_FILE, check_script
from provision.engine.access import device_access
from provision.engine.protocol import Ran
from provision.model import GPU_VENDORS, MAKERS, RUNTIMES, VENDORS, Access, GpuVendor, Host, Maker, Request, Vendor
from provision.model.complete import complete
from provision.model.inside import cache_environment
from provision.model.vendor import ACCESS_KINDS
from provision.probe import findings, lookups_of, probe_files, vendors
from provision.probe.vendors import PROBES
from provision.prove import Evidence, Expectation
from provision.prove.judge import judge
from provision.render import Plan, render
from provision.resolve import resolve

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "provision"
TREES: dict[Maker, str] = {"nvidia": "h100", "amd": "mi300x-spx"}  # synthetic, see tests/data/trees/make.py
ENGINES = (
    model.Engine(name="docker", version="28.5.2"),
    model.Engine(name="podman", version="5.4.2"),
    None,
)


every_row = pytest.mark.parametrize("vendor", GPU_VENDORS, ids=str)


# The table


def test_the_types_name_the_members_of_the_table() -> None:
    assert get_args(Maker) == tuple(row.maker for row in GPU_VENDORS.values()) == tuple(MAKERS)
    assert tuple(vendor.value for vendor in GPU_VENDORS) == RUNTIMES
    assert {*GPU_VENDORS, Vendor.AUTO, Vendor.CPU} == set(Vendor)


@every_row
def test_a_row_agrees_with_itself(vendor: Vendor) -> None:
    row = vendor.row
    assert (VENDORS[row.maker], VENDORS[vendor.value], vendor.gpu) == (vendor, vendor, row.maker)
    assert row.toolkit in row.toolkit_programs.values()
    assert row.choosing in row.hiding
    assert all(path.startswith(row.own_node) or path in row.shared_nodes for path in row.shared_nodes)
    assert re.compile(row.node).groups
    assert re.compile(row.image_variables).flags
    assert (PACKAGE.parent / "templates" / "dockerfile" / f"{vendor}.j2").is_file()


def test_no_two_rows_share_what_tells_them_apart() -> None:
    fields = ("maker", "title", "pci_vendor", "kernel_driver", "library", "build_key", "cdi_kind", "apptainer")
    for field in fields:
        values = [getattr(row, field) for row in GPU_VENDORS.values()]
        assert len(set(values)) == len(values), field


# A hole is found at import time, with its name.


def executed(module: Path, old: str, new: str) -> None:
    """Run a module's text with one change, as an import would."""
    text = module.read_text()
    assert text.count(old) >= 1, f"{module.name} has no {old!r}"
    spec = importlib.util.spec_from_loader("changed", loader=None)
    assert spec
    changed = importlib.util.module_from_spec(spec)
    sys.modules["changed"] = changed
    try:
        exec(compile(text.replace(old, new, 1), str(module), "exec"), changed.__dict__)
    finally:
        del sys.modules["changed"]


LAST = [*GPU_VENDORS][-1]


def named(name: str, words: Iterable[str]) -> str:
    """Return the line that gives a type its literals."""
    return f"{name} = Literal[{', '.join(map(json.dumps, words))}]"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('    CPU = "cpu"\n', '    CPU = "cpu"\n    WARP = "warp"\n', "no entry for warp"),
        (named("Maker", MAKERS), named("Maker", (*MAKERS, "acme")), "no entry for acme"),
        (named("Maker", MAKERS), named("Maker", [*MAKERS][:-1]), f"nothing is called {LAST.row.maker}"),
        (named("RuntimeName", RUNTIMES), named("RuntimeName", RUNTIMES[:-1]), f"nothing is called {LAST.value}"),
        (f'        build_key="{LAST.row.build_key}",\n', "", "build_key"),
    ],
)
def test_a_vendor_with_a_hole_in_the_table(old: str, new: str, message: str) -> None:
    with pytest.raises((LookupError, TypeError), match=message):
        executed(PACKAGE / "model" / "vendor.py", old, new)


@pytest.mark.parametrize(
    ("module", "table", "entry"),
    [("engine/access.py", "engine.access", ACCESS_KINDS[-1])],
)
def test_a_vendor_that_another_table_lacks(module: str, table: str, entry: str) -> None:
    with pytest.raises(LookupError, match=f"{table}: no entry for {entry}"):
        executed(PACKAGE / module, f'"{entry}": ', '"acme": ')


def test_a_maker_without_a_probe_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"provision\.probe\.acme"):
        vendors.probe_of("acme")
    monkeypatch.delattr(f"provision.probe.{LAST.row.maker}.PROBE")
    with pytest.raises(TypeError, match=f"{LAST.row.maker} has no PROBE"):
        vendors.probe_of(LAST.row.maker)


def test_a_complete_table_is_returned_as_it_is() -> None:
    assert complete("x", PROBES, MAKERS) is PROBES
    with pytest.raises(LookupError, match=f"x: nothing is called {LAST.row.maker}"):
        complete("x", PROBES, [*MAKERS][:-1])


# Every member goes all the way.


def probed(vendor: Vendor, folder: Path) -> Host:
    """Return the host of the vendor's tree."""
    name = TREES[vendor.row.maker]
    return probe_files(build(folder / name, name), lookups_of(load()))


@every_row
def test_a_vendor_goes_from_the_probe_to_every_export(vendor: Vendor, tmp_path: Path) -> None:
    row, host = vendor.row, probed(vendor, tmp_path)
    assert {gpu.vendor for gpu in host.gpus} == {row.maker}
    assert host.driver(row.maker)
    assert all(gpu.kernel_driver == row.kernel_driver for gpu in host.gpus)
    assert all(node.path.startswith(row.own_node) for gpu in host.gpus for node in gpu.nodes)
    assert [node.path for node in host.nodes] == list(row.shared_nodes)
    request = Request(vendor=vendor)
    stack = resolve(load(), host, request)
    assert (stack.vendor, stack.runtime.name) == (vendor, vendor.value)
    plan = render(load(), stack, request)
    for engine in ENGINES:
        here = msgspec.structs.replace(host, engine=engine)
        order = Order(stack=stack, request=request, host=here, access=device_access(here, vendor), plan=plan)
        for kind in OUTPUTS:
            assert all(emit(kind, order).values()), kind


@every_row
def test_a_vendor_is_judged_on_evidence(vendor: Vendor) -> None:
    """The record is an H100's; for another vendor only its names are changed, so that it is synthetic."""
    path = max((ROOT / "docs" / "hardware").glob("*-h100-*-tensorflow-standard.evidence.json"))
    record: dict[str, Any] = json.loads(path.read_text())
    row = vendor.row
    node = f"/dev/{row.node_globs[0].removesuffix('[0-9]*')}{'0' if '*' in row.node_globs[0] else ''}"
    record["build"] = {other.build_key: str(other is row) for other in GPU_VENDORS.values()}
    record["environment"]["nodes"] = [{"path": node, "error": None}]
    record["environment"]["libraries"] = [
        {"name": other.library, "error": None if other is row else "not found"} for other in GPU_VENDORS.values()
    ]
    assert re.fullmatch(row.node, node)
    expectation = Expectation(vendor=vendor, indices=(0,))
    ran = Ran(exit_code=0, stdout="", stderr="", seconds=60.0)
    proof = judge(expectation, ran, msgspec.convert(record, Evidence))
    assert proof.requested == f"{vendor} GPU 0"
    status = {check.name: check.status for check in proof.checks}
    assert (proof.verdict, status["build"], status["visible"]) == ("proved", "pass", "pass")
    assert "fail" not in status.values()


@every_row
def test_a_vendor_has_a_matrix(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for word in (vendor.value, vendor.row.maker):
        monkeypatch.setattr(sys, "argv", ["kgpu-env", "catalogue", "matrix", "--vendor", word, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.app.main()
        cells = json.loads(capfd.readouterr().out)["cells"]
        assert (ended.value.code or 0, {cell["vendor"] for cell in cells}) == (0, {vendor.value})


# A vendor that is not there goes as far as no facts are needed.

WORDS = {
    **{word: new for vendor, row in GPU_VENDORS.items() for word, new in ((vendor.value, "warp"), (row.maker, "acme"))},
    **{row.pci_vendor: "acde" for row in GPU_VENDORS.values()},
}
ANY_WORD = re.compile("|".join(WORDS), re.IGNORECASE)
THIRD = cast("Vendor", "warp")


def _as_written(old: str, new: str) -> str:
    return new.upper() if old.isupper() else new


def disguised(value: Any) -> Any:  # noqa: ANN401 - whatever stands in a row
    """Return a value of a row with all of its maker's names replaced."""
    match value:
        case str():
            return ANY_WORD.sub(lambda word: _as_written(word[0], WORDS[word[0].lower()]), value)
        case Access():
            return msgspec.structs.replace(value, mounts=disguised(value.mounts), env=disguised(value.env))
        case tuple():
            return tuple(map(disguised, value))
        case Mapping():
            return {disguised(key): disguised(one) for key, one in value.items()}
        case _:
            return value


@pytest.fixture(params=GPU_VENDORS, ids=str)
def third(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> GpuVendor:
    """A third member of the table, made of the first's or the second's row."""
    row = GpuVendor(*map(disguised, GPU_VENDORS[request.param]))
    assert row.maker not in MAKERS
    monkeypatch.setitem(cast("dict[Vendor, GpuVendor]", GPU_VENDORS), THIRD, row)
    monkeypatch.setitem(MAKERS, row.maker, row.title)
    return row


def host_of(row: GpuVendor, engine: model.Engine | None, partition: str | None = None) -> Host:
    def gpu(number: int) -> model.Gpu:
        node = model.DeviceNode(path=f"{row.own_node}{number}", gid=109, mode=0o660)
        return model.Gpu(vendor=row.maker, uuid=f"GPU-{number}", nodes=(node,), partition=partition)

    shared = tuple(model.DeviceNode(path=path, gid=109, mode=0o660) for path in row.shared_nodes)
    toolkits = tuple(model.Toolkit(name=row.toolkit, path=f"/usr/bin/{program}") for program in row.toolkit_programs)
    return Host(gpus=(gpu(0), gpu(1)), nodes=shared, toolkits=toolkits, engine=engine)


@cache
def cpu_plan() -> tuple[Request, model.Stack, Plan]:
    request = Request(vendor=Vendor.CPU)
    stack = resolve(load(), Host(), request)
    return request, stack, render(load(), stack, request)


def order_of(row: GpuVendor, host: Host, gpus: str = "all") -> Order:
    """Return an order whose plan is the CPU's, since there is no template for the vendor."""
    request, cpu, plan = cpu_plan()
    stack = msgspec.structs.replace(cpu, vendor=THIRD, runtime=model.Framework(name=str(THIRD), version="1.0"))
    found = device_access(host, THIRD, gpus)
    assert (found.method != "none") == bool(host.gpus)
    assert row.maker == host.gpus[0].vendor
    return Order(stack=stack, request=request, host=host, access=found, plan=plan)


@pytest.mark.parametrize("gpus", ["all", "1", "GPU-0"])
@pytest.mark.parametrize("by", ["runtime", "cdi", "podman", "nobody"])
def test_a_third_vendor_is_exported_in_its_own_words(third: GpuVendor, by: str, gpus: str) -> None:
    names = tuple(f"{third.cdi_kind}={name}" for name in ("0", "1", "all", "GPU-0", "GPU-1"))
    engine = {
        "runtime": model.Engine(name="docker", version="28.5.2", runtimes=(third.container_runtime,)),
        "cdi": model.Engine(name="docker", version="28.5.2", cdi=names),
        "podman": model.Engine(name="podman", version="5.4.2"),
        "nobody": None,
    }[by]
    order = order_of(third, host_of(third, engine), gpus)
    for kind in OUTPUTS:
        for name, text in emit(kind, order).items():
            if Path(name).name not in {CHECK_FILE, "Dockerfile"}:
                assert not ANY_WORD.search(text), f"{kind}: {text}"


def test_a_third_vendor_has_its_own_words_in_each_export(third: GpuVendor) -> None:
    order = order_of(third, host_of(third, None))
    pod = emit("kubernetes", order)["pod.yaml"]
    assert f"{third.kubernetes_resource}: '1'" in pod
    daemon_set = emit("kubernetes", order)["daemonset.yaml"]  # a pod is led by its resource alone
    assert all(f"key: {label}" in daemon_set for label in third.kubernetes_labels)
    assert f"apptainer exec {third.apptainer} " in emit("apptainer", order)["run.sh"]
    assert all(name in emit("shell", order)["run.sh"] for name in third.caches)
    if third.kubernetes_partition:
        sliced = order_of(third, host_of(third, None, "1g.10gb"))
        assert f"{third.kubernetes_partition}1g.10gb: '1'" in emit("kubernetes", sliced)["pod.yaml"]


def test_a_third_vendor_has_caches_and_ways_on_wsl(third: GpuVendor) -> None:
    assert set(third.caches) <= set(cache_environment("/caches", THIRD))
    assert set(third.caches) <= set(cache_environment("/caches", Vendor.AUTO))
    wsl = msgspec.structs.replace(host_of(third, None), wsl=True)
    assert device_access(wsl, THIRD).method == ("wsl" if third.access_on_wsl else f"{third.container_runtime}-runtime")


def test_a_third_vendor_is_looked_for_and_named(third: GpuVendor) -> None:
    assert f"or {third.title} GPU" in findings.no_gpu(()).text
    assert third.wsl_library in findings.wsl_without_libraries().text
    assert third.toolkit in findings.no_toolkit(third).fix


def test_the_quick_check_opens_every_vendors_nodes(third: GpuVendor) -> None:
    written: dict[str, Any] = {"__name__": "quick_check"}
    exec(compile(check_script(), CHECK_FILE, "exec"), written)
    globs = tuple(glob for row in GPU_VENDORS.values() for glob in row.node_globs)
    assert third in GPU_VENDORS.values()
    assert written["NODES"] == (*globs, "dxg")
    assert f'"{LAST}", "{THIRD}")' in check_script()


def test_the_quick_check_is_the_file_but_for_nodes_and_names() -> None:
    written, own = check_script().splitlines(), (PACKAGE / "emit" / CHECK_FILE).read_text().splitlines()
    other = [line for line, mine in zip(written, own, strict=True) if line != mine]
    assert all(line.startswith("NODES = ") or '("gpu", ' in line for line in other)
    assert bool(other) == (len(GPU_VENDORS) != 2)  # the file as it is names the first two


def test_every_kind_of_access_and_every_probe_is_a_function() -> None:
    assert {row.access for row in GPU_VENDORS.values()} <= set(ACCESS_KINDS)
    assert list(vendors.PROBES) == list(MAKERS)
