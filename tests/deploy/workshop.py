"""Makes bundles and servers for tests: sources on the fly, the real kernel, a manual host."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from deploy.builder import Builder, Built
from slee.api.facilities import VolatileTable
from slee.api.ids import ProfileSpecificationID
from slee.facilities.facilities import Facilities
from slee.facilities.profiles.tables import ProfileTables
from slee.facilities.volatile import VolatileTables
from slee.kernel.adaptor_context import AdaptorContext
from slee.kernel.kernel import Kernel
from slee.kernel.resource import ResourceEntity
from slee.management.archive import digest, read_archive, record, write_archive
from slee.management.management import Management
from slee.management.manifest import write_lock
from slee.management.store import StateDirectory
from slee.stores.profiles.database import open_profile_database
from slee.testing.observer import RecordingObserver
from tests.deploy.echo import EchoAdaptor

BUNDLES = Path(__file__).parent / "bundles"
PLACES = BUNDLES / "profiles" / "places"
GREETER = BUNDLES / "sbbs" / "greeter"
SBB = """
from slee import ActivityContext, Sbb, Select, initial_event, resource
from tests.deploy.echo import ECHO, Heard

class {name}(Sbb, vendor="test", version="{version}"):
    echo = resource(ECHO)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_heard(self, event: Heard, aci: ActivityContext) -> None:
        self.echo.say("{words}")
"""


def manifest(name: str = "plain", version: str = "1.0", modules: str = '"sbbs.plain"', more: str = "") -> str:
    """The text of a manifest."""
    return f'[bundle]\nname = "{name}"\nvendor = "test"\nversion = "{version}"\nmodules = [{modules}]\n{more}'


def service(root: str = "sbbs.plain:Plain", name: str = "Plain") -> str:
    """A service section with the link that `SBB` needs."""
    return f'[[service]]\nname = "{name}"\nroot-sbb = "{root}"\n[links]\nECHO = "echo-main"\n'


def sbb(name: str = "Plain", version: str = "1.0", words: str = "plain") -> str:
    """The source of an SBB that says some words when it hears something."""
    return SBB.format(name=name, version=version, words=words)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write source files below a folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def build(folder: Path, *offered: Path | Built) -> Built:
    """Build one bundle that may depend on others."""
    builder = Builder([EchoAdaptor])
    try:
        for other in offered:
            if isinstance(other, Path):
                builder.offer_folder(other)
            else:
                builder.offer_archive(other.file_name, other.archive)
        return builder.build(folder)
    finally:
        builder.close()


def plain(folder: Path, version: str = "1.0", words: str = "plain", name: str = "plain") -> Built:
    """A bundle of one SBB, `Plain`, and one service of it."""
    text = manifest(name, version, more=service())
    return build(write(folder / version, {"bundle.toml": text, "sbbs/plain.py": sbb(version=version, words=words)}))


def private_modules() -> set[str]:
    """Modules of bundles that are imported now; the package that leads to all of them does not count."""
    return {name for name in sys.modules if name.startswith("slee_bundles.")}


def repacked(bundle: Built, change: Callable[[dict[str, bytes]], None], *, lock: bool = True) -> bytes:
    """The archive with its files changed; with `lock`, lock and RECORD are made to fit again."""
    archive = read_archive(bundle.archive, "")
    files = dict(archive.files)
    folder = next(path for path in files if path.endswith("bundle.toml")).rpartition("/")[0]
    change(files)
    if lock:
        entries = tuple(
            archive.lock.file[0].model_copy(update={"path": path, "sha256": digest(data)})
            for path, data in sorted(files.items())
            if path not in (f"{folder}/bundle.lock", f"{folder}/RECORD")
        )
        files[f"{folder}/bundle.lock"] = write_lock(archive.lock.model_copy(update={"file": entries})).encode()
        files[f"{folder}/RECORD"] = record({p: d for p, d in files.items() if not p.endswith("RECORD")}, folder)
    return write_archive(files)


class Server:
    """Management on a real kernel, without loop or sockets; `restart` makes a new one on the same state directory."""

    def __init__(
        self,
        path: Path,
        sections: Mapping[str, Mapping[str, Any]] | None = None,
        predecessors: int = 0,
        database: str | None = None,
    ) -> None:
        self.path = path
        self.url = database
        """URL of the profile database; tables are kept in memory only without."""
        self.predecessors = predecessors
        """Servers that ran on the state directory before; no two make the same ids."""
        self.sections = sections or {}
        self.time = 1_000.0
        self.shutdowns = 0
        self.successor: Server | None = None
        self.facilities = Facilities(now=self.now, random=lambda count: predecessors.to_bytes(count))
        self.observer = RecordingObserver(self.facilities)
        self.kernel = Kernel(observer=self.observer, random=bytes, ticks=lambda: self.time)
        self.tables = VolatileTables(self.kernel)
        self.database = None if database is None else open_profile_database(database, path)
        self.profiles = ProfileTables(self.kernel, self.facilities, self.database)
        self.management = Management(
            engine=self.kernel,
            host=self,
            store=StateDirectory(path),
            adaptors=[EchoAdaptor],
            sections=self.sections,
        )
        self.bundles = self.management.bundles
        self.services = self.management.services
        self.resources = self.management.resources

    def restart(self) -> Server:
        """End this server without a word, and start another on what it left; `close` closes that one too."""
        self._let_go()
        self.successor = server = Server(self.path, self.sections, self.predecessors + 1, self.url)
        server.management.restore()
        server.management.resume()
        return server

    def close(self) -> None:
        """Let go of modules and of the state directory."""
        self._let_go()
        if self.successor is not None:
            self.successor.close()

    def _let_go(self) -> None:
        self.management.close()
        if self.database is not None:
            self.database.close()

    def install(self, *bundles: Built) -> None:
        """Install bundles, each from a source named after its file."""
        for bundle in bundles:
            self.bundles.install(bundle.file_name, bundle.archive)

    def connect(self, name: str = "echo", link: str = "echo-main") -> EchoAdaptor:
        """Make an active entity of the test adaptor, and bind it to a link."""
        self.resources.create(name, EchoAdaptor.id, {"listen-port": 5})
        self.resources.bind_link(name, link)
        self.resources.activate(name)
        return self.adaptor(name)

    def adaptor(self, name: str = "echo") -> EchoAdaptor:
        """The adaptor object of an entity."""
        adaptor = self.kernel.resources[name].adaptor
        assert isinstance(adaptor, EchoAdaptor)
        return adaptor

    def fire(self, handle: str, event: object, name: str = "echo") -> list[object]:
        """Fire an event on an activity, new if need be, and return everything said so far."""
        entity = self.kernel.resources[name]
        if handle not in entity.contexts:
            entity.start_activity(handle, handle)
        entity.fire(handle, event)
        self.pump()
        return self.adaptor(name).said

    # The host.

    def now(self) -> float:
        return self.time

    def pump(self) -> None:
        while self.kernel.step(self.time):
            for entity, command in self.kernel.take_outputs():
                entity.perform(command)

    def pump_soon(self) -> None:
        self.pump()

    def spawn_reader(self, fileno: int, ready: Callable[[], None]) -> Callable[[], None]:
        raise AssertionError("the test adaptor has no socket")

    def spawn(
        self, work: Callable[[], Coroutine[object, object, object]], failed: Callable[[BaseException], None]
    ) -> Callable[[], None]:
        raise AssertionError("the test adaptor waits for nothing")

    def context(self, name: str, endpoint: ResourceEntity) -> AdaptorContext:
        return AdaptorContext(self.kernel, endpoint, self, self.observer.adaptor(name))

    def table(self, table: VolatileTable[Any]) -> object:
        return self.tables.rows(table)

    def drop_table(self, table: ProfileSpecificationID) -> None:
        self.tables.remove(table)

    async def kept(self) -> None:
        """Nothing is to be waited for."""

    def shut_down(self) -> None:
        self.shutdowns += 1


def trace(server: Server) -> tuple[object, ...]:
    """Everything that an install could leave behind."""
    archives = sorted(path.name for path in (server.path / "bundles").iterdir())
    desired = server.management.store.desired
    services = server.services.list(), set(server.kernel.services)
    return server.bundles.list(), server.bundles.components(), services, archives, desired, private_modules()
