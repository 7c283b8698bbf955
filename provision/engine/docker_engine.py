"""The engine behind Docker's API: Docker itself, or Podman."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO

from docker import APIClient
from msgspec.structs import replace

from provision import model
from provision.engine import archives, buildkit_build, container, disk, images, interactive, own_images, podman_build
from provision.engine.connection import Endpoint, config_folder, has_own_files
from provision.engine.describe import describe, need_builder
from provision.engine.logins import Login, stored_login
from provision.engine.protocol import (
    Access,
    BuildStep,
    Built,
    Context,
    Engine,
    Image,
    Job,
    OnOutput,
    OwnImage,
    Ran,
    Run,
    Streams,
    Transfer,
)
from provision.engine.sdk import answering, open_client
from provision.errors import EngineError
from provision.model.reference import parse_reference
from provision.model.size import LayerSize

PODMAN_WITH_CDI = (5, 4)  # the first whose Docker API takes CDI requests; 4.3 was seen to ignore them


def open_engine(endpoint: Endpoint, environment: Mapping[str, str]) -> Engine:
    """Return the engine at an address; `provision.engine.docker.connect` has the contract."""
    return DockerEngine(open_client(endpoint, environment), endpoint.address, config_folder(environment))


class DockerEngine:
    """`provision.engine.protocol.Engine` by the docker SDK's low-level client."""

    def __init__(self, api: APIClient, address: str, logins: Path) -> None:
        self._api = api
        self._address = address
        self._logins = logins

    @cached_property
    def _description(self) -> model.Engine:
        with answering(self._address):
            found = describe(self._api.version(), self._api.info(), self._address)
        return replace(found, own_files=has_own_files(self._address))

    def describe(self) -> model.Engine:
        """Return name, version and abilities of the engine."""
        return self._description

    def free_bytes(self) -> int | None:
        """Return what is free of the disk that images go to, or None where that cannot be seen from here."""
        with answering(self._address):
            return disk.free_bytes(self._api.info(), self._address)

    def image(self, reference: str) -> Image | None:
        """Return what the engine knows of a local image, or None when it has none of that name."""
        with answering(self._address):
            return images.inspect(self._api, reference)

    def layers(self, reference: str) -> tuple[LayerSize, ...]:
        """Return the layers of a local image, the lowest first. Raises BuildError KGE-408 when there is none."""
        with answering(self._address):
            return images.layers(self._api, reference)

    def tag(self, image_id: str, name: str) -> None:
        """Give a name to an image."""
        named = parse_reference(name)
        with answering(self._address):
            self._api.tag(image_id, named.name, named.version)

    def remove(self, reference: str) -> None:
        """Remove a name of an image and, when it was its only one, the image."""
        with answering(self._address):
            images.forget(self._api, reference)

    def own_images(self) -> tuple[OwnImage, ...]:
        """Return the images that this program built, the oldest first."""
        with answering(self._address):
            return own_images.own_images(self._api)

    def discard(self, image: OwnImage) -> str:
        """Remove an image with all its names; return why the engine keeps it, or ""."""
        with answering(self._address):
            return own_images.discard(self._api, image)

    def pull(self, reference: str, on_progress: Callable[[Transfer], None]) -> Image:
        """Fetch an image. Raises BuildError KGE-402 with the registry's answer."""
        with answering(self._address):
            return images.pull(self._api, reference, self._login(reference), on_progress)

    def push(self, reference: str, on_progress: Callable[[Transfer], None]) -> None:
        """Send a tagged image to its registry. Raises BuildError KGE-404."""
        with answering(self._address):
            images.push(self._api, reference, self._login(reference), on_progress)

    def _login(self, reference: str) -> Login:
        return stored_login(parse_reference(reference).registry, self._logins)

    def build(
        self, context: Context, tag: str, on_step: Callable[[BuildStep], None], arguments: Mapping[str, str]
    ) -> Built:
        """Build with BuildKit, or with Podman's own builder, and tag the image.

        Raises:
            BuildError: KGE-401 a step failed, KGE-402 a base cannot be pulled, KGE-403 disk full.
            EngineError: KGE-303, the engine has no BuildKit.
        """
        need_builder(self.describe())
        with answering(self._address):
            build = podman_build.run_build if self.describe().name == "podman" else buildkit_build.run_build
            return build(self._api, context, tag, on_step, arguments)

    def import_image(self, archive: str, tag: str, labels: Mapping[str, str]) -> Image:
        """Make an image from the root file system in the tar file `archive`. Raises BuildError KGE-410."""
        with answering(self._address):
            return images.import_archive(self._api, Path(archive), tag, labels)

    def save(self, reference: str, place: Path) -> None:
        """Write an image to a new file. Raises BuildError KGE-408 when there is none."""
        with answering(self._address):
            archives.save(self._api, reference, place)

    def load(self, archive: IO[bytes]) -> None:
        """Load the images of an archive, by their names in it. Raises BuildError KGE-410, KGE-403."""
        with answering(self._address):
            archives.load(self._api, archive)

    def run(self, run: Run, on_stdout: OnOutput | None = None) -> Ran:
        """Run a command to its end or its limit; the container is always removed.

        Args:
            run: the command.
            on_stdout: gets what it prints as it comes, in pieces.

        Raises:
            BuildError: KGE-408, the engine has no such image.
        """
        refused = self._ignores(run.access)
        if refused:
            return Ran(exit_code=None, stdout="", stderr="", seconds=0.0, refused=refused)
        with answering(self._address):
            return container.run_once(self._api, run, on_stdout)

    def run_job(self, job: Job, streams: Streams, on_start: Callable[[], None]) -> int:
        """Run a job to its end and return its exit code; interrupted, it is asked to end. Always removed.

        Raises:
            BuildError: KGE-408, the engine has no such image.
            EngineError: KGE-307 a port is in use, KGE-308 the engine would not start the container.
            BrokenPipeError: whoever read the output has gone.
        """
        refused = self._ignores(job.access)
        if refused:
            raise EngineError("KGE-308", "the engine did not start the container", cause=refused)
        try:
            with answering(self._address):
                return interactive.run_job(self._api, job, streams, on_start)
        except interactive.ReaderGoneError as error:
            raise BrokenPipeError from error

    def _ignores(self, access: Access) -> str:
        """Why the engine would start the container without its devices, or ""."""
        engine = self.describe()
        if engine.name != "podman" or not (access.cdi or access.runtime_ids):
            return ""
        if access.cdi and _numbers(engine.version) >= PODMAN_WITH_CDI:
            return ""
        return (
            f"Podman {engine.version} ignores device requests that come through its Docker socket"
            " (CDI names are taken from 5.4 on)"
        )

    def close(self) -> None:
        """Close the connection."""
        self._api.close()


def _numbers(version: str) -> tuple[int, ...]:
    parts = (part for part in version.partition("-")[0].split("."))
    return tuple(int(part) for part in parts if part.isdecimal())
