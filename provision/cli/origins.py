"""Documents about an image that was built: written where they were asked for, attached where it was pushed."""

from pathlib import Path

from msgspec.structs import replace

from provision import api
from provision.cli.options import BuildOptions
from provision.cli.output import check_writable, log, write_files
from provision.cli.planning import Plan
from provision.cli.proving import records
from provision.model import BuildResult


def check_documents(options: BuildOptions, *, force: bool) -> None:
    """Refuse before long work what could not be written after it."""
    check_writable(options.sbom, options.provenance, force=force)


def with_documents(
    result: BuildResult, found: Plan, options: BuildOptions, *, key: Path | None, force: bool
) -> BuildResult:
    """Write what was asked for about an image, and attach it where the image was pushed."""
    documents: dict[str, tuple[Path, bytes]] = {}
    if options.sbom:
        documents["sbom"] = (options.sbom, api.sbom(api.inspect(result.tag)))
    if options.provenance:
        statement = api.provenance(result, found.stack, found.options, records(key))
        documents["provenance"] = (options.provenance, statement)
    if not documents:
        return result
    write_files(dict(documents.values()), force=force)
    log(f"wrote     {' and '.join(str(path) for path, _ in documents.values())}")
    attached: tuple[str, ...] = ()
    if result.pushed:
        contents = {name: content for name, (_, content) in documents.items()}
        attached = api.attach(result, contents, found.options.network)
        log(f"attached  {len(attached)} documents to {result.tag}")
    return replace(result, attached=attached, **{name: str(path) for name, (path, _) in documents.items()})
