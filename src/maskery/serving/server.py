"""Uvicorn with our app, saying its address once it answers."""

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from maskery.core.errors import ConfigError
from maskery.core.process_memory import container_limit
from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.middleware.connection import connection_class
from maskery.serving.runtime.memory_budget import memory_limit, settle_allocator, settle_collector

log = logging.getLogger("maskery")

EVERYWHERE = "::"
LONGEST_SOCKET_PATH = 107
"""Of sun_path in sys/un.h on Linux, without the zero at its end."""


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.servers:
            name = self.servers[0].sockets[0].getsockname()
            self._announce(f"unix:{name}" if isinstance(name, str) else _url(*name[:2]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Here, because uvicorn sends itself the signal again after this, and that ends the process."""
        await super().shutdown(sockets)
        if self.config.uds:
            Path(self.config.uds).unlink(missing_ok=True)


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until interrupted. Raises ``ConfigError`` for an address that cannot be listened on, and model errors."""
    if not settle_allocator():
        log.info("the allocator is not glibc's and keeps its defaults")
    app = create_app(settings)
    # Here, so that errors are the caller's and not uvicorn's; the application's own start then finds them loaded.
    app.state.service.load_all(memory_limit(settings.memory, container_limit()))
    settle_collector()
    config = uvicorn.Config(
        app,
        http=connection_class(settings.max_connections),
        host=settings.host,
        port=settings.port,
        uds=settings.uds or None,
        log_level=settings.log_level,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn's own trust in X-Forwarded-For; ours is the setting trust_proxy
        lifespan="on",
        timeout_graceful_shutdown=30,
        timeout_keep_alive=60,
    )
    if settings.uds:
        _check_socket_path(Path(settings.uds))
    elif settings.host != EVERYWHERE:
        _check_address(settings)
    sockets = [_dual_stack(settings.port)] if settings.host == EVERYWHERE and not settings.uds else None
    asyncio.run(_Announcing(config, announce).serve(sockets))


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _dual_stack(port: int) -> socket.socket:
    """A socket for IPv6 and IPv4; asyncio's own would take IPv6 alone."""
    try:
        return socket.create_server((EVERYWHERE, port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=2048)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        cure = "Choose another --port, or --host 0.0.0.0 where there is no IPv6."
        raise ConfigError(f"Cannot listen on [::]:{port}: {reason}.", cure) from error


def _check_socket_path(path: Path) -> None:
    """A socket that nobody listens on was left by a kill and is replaced; anything else is not touched."""
    cure = "Choose another --uds."
    if not path.parent.is_dir():
        raise ConfigError(f"Cannot listen on {path}: there is no folder {path.parent}.", "Make it, or choose another.")
    if len(str(path.absolute()).encode()) > LONGEST_SOCKET_PATH:
        raise ConfigError(f"{path} is longer than the {LONGEST_SOCKET_PATH} bytes that a socket's path may have.", cure)
    if path.exists() and not path.is_socket():
        raise ConfigError(f"{path} is there already, and is no socket.", cure)
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise ConfigError(f"Another process listens on {path}.", f"Stop it. {cure}")
        path.unlink()


def _check_address(settings: Settings) -> None:
    """Uvicorn exits the process when it cannot bind; say why and how to mend it instead."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.", "Choose another --port or --host."
        ) from error
