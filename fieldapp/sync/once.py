"""One exchange, as the command `fieldapp sync` does it, and the app's loop, both from a device's home and settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fieldapp.store.device import DeviceReplica
from fieldapp.store.home import Home
from fieldapp.sync import runner
from fieldapp.sync.loop import SyncLoop
from fieldapp.sync.status import SyncReport, SyncStatus
from fieldapp.sync.transport import Transport
from fieldapp.version import version


class Device(Protocol):
    """The services of a device that sync needs."""

    @property
    def home(self) -> Home: ...

    @property
    def replica(self) -> DeviceReplica: ...

    def seal(self) -> bool: ...


class Settings(Protocol):
    """The settings of a device that sync needs."""

    @property
    def ca_file(self) -> str: ...

    @property
    def proxy(self) -> str: ...


def transport_for(device: Device, settings: Settings, url: str = "") -> Transport:
    """The way to the server that this device belongs to.

    Args:
        url: where it is reached, where that is not the address the device was enrolled at.

    Raises:
        Problem: `bad-url`, `plain-http`, `ca-file-unusable`.
    """
    identity, replica = device.replica.identity, device.replica
    return Transport(
        url or identity.url,
        device=identity.device,
        secret=identity.secret,
        token=lambda: replica.setting("token") or "",
        ca_file=settings.ca_file or identity.ca_file,
        proxy=settings.proxy,
        app_version=version(),
    )


def sync_once(device: Device, settings: Settings) -> SyncReport:
    """Exchange everything there is with the server, or say in words why not.

    Raises:
        Problem: the server's address or the CA file cannot be used.
    """
    transport = transport_for(device, settings)
    try:
        return runner.sync_once(
            device.replica, transport, files=device.home.files, app_version=version(), seal=device.seal
        )  # fmt: skip
    finally:
        transport.close()


def sync_loop(device: Device, settings: Settings, publish: Callable[[SyncStatus], None], url: str = "") -> SyncLoop:
    """Start keeping in step with the server, in the background, until `stop` is called. `url` as for `transport_for`."""
    loop = SyncLoop(
        device.replica,
        lambda: transport_for(device, settings, url),
        files=device.home.files,
        app_version=version(),
        publish=publish,
        seal=device.seal,
    )
    loop.start()
    return loop
