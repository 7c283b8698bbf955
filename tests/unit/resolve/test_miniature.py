"""The miniature catalogue (tests/data/catalogue): whole, without contradictions, and every rule can be broken on it."""

from pathlib import Path

import msgspec
import yaml

from provision.catalogue import Catalogue, load
from provision.catalogue.references import check_references
from provision.errors import NoStackError
from provision.model import Driver, Gpu, Host, Rejection, Request, Severity, Vendor, decode
from provision.resolve import resolve
from provision.resolve.catalogue_check import review
from provision.resolve.rule_names import RuleName

DATA = Path(__file__).parents[2] / "data"
MINIATURE = load(DATA / "catalogue")
ROW = '{id: "own", image: "old:1", family: "apt", python: "3.11", glibc: "2.12", source: "s", checked: "2026-11-01"}'
HOUSE = '{id: "own", subject: "tensorflow", newest: "2.18", source: "s", checked: "2026-11-01"}'


def rejections(catalogue: Catalogue, host: Host, request: Request) -> tuple[Rejection, ...]:
    try:
        return resolve(catalogue, host, request).rejected
    except NoStackError as error:
        return error.rejected


def test_it_has_every_table_that_is_shipped() -> None:
    assert {path.name for path in MINIATURE.directory.iterdir()} == {
        "errors",
        *(path.name for path in load().directory.glob("*.yaml")),
    }
    assert {table for table, _ in MINIATURE.all_rows()} == {table for table, _ in load().all_rows()}
    assert len(list(MINIATURE.all_rows())) < len(list(load().all_rows())) / 2


def test_it_is_whole() -> None:
    check_references(MINIATURE)
    assert not [one for one in review(MINIATURE, "2026-11-29", reach=False) if one.severity is Severity.ERROR]


def test_every_rule_can_be_broken_on_it(tmp_path: Path) -> None:
    found: set[str] = set()
    for path in (DATA / "hosts").glob("*.json"):
        host = decode(path.read_bytes(), Host)
        for vendor in (Vendor.CUDA, Vendor.ROCM):
            if host.gpus_of(vendor.gpu or ""):
                found |= {one.rule for one in rejections(MINIATURE, host, Request(vendor=vendor))}
    for one in yaml.load((DATA / "asked.yaml").read_text(), yaml.CSafeLoader).values():
        host = decode((DATA / "hosts" / f"{one['host']}.json").read_bytes(), Host)
        found |= {one.rule for one in rejections(MINIATURE, host, msgspec.convert(one["ask"], Request))}
    (tmp_path / "bases.yaml").write_text(f"bases:\n  - {ROW}\n")
    (tmp_path / "site_policy.yaml").write_text(f"rules:\n  - {HOUSE}\n")
    own = Catalogue(MINIATURE.directory, overlay=tmp_path)
    here = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_80"),), drivers=(Driver(vendor="nvidia", version="580.1"),))
    for request in (Request(), Request(base="old:1")):
        found |= {one.rule for one in rejections(own, here, request)}
    assert {str(rule) for rule in RuleName} - found == set()
