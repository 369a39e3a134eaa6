"""Uvicorn with our app, saying its address once it answers."""

import asyncio
import logging
import socket
from collections.abc import Callable

import uvicorn

from maskery.core.errors import ConfigError
from maskery.core.process_memory import container_limit
from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.middleware.connection import connection_class
from maskery.serving.runtime.memory_budget import memory_limit, settle_allocator, settle_collector

log = logging.getLogger("maskery")


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")


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
        log_level=settings.log_level,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn's own trust in X-Forwarded-For; ours is the setting trust_proxy
        lifespan="on",
        timeout_graceful_shutdown=30,
        timeout_keep_alive=60,
    )
    _check_address(settings)
    asyncio.run(_Announcing(config, announce).serve())


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
