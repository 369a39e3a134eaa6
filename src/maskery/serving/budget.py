"""How the memory that a server may take is shared out: itself, its loaded models, and requests at work."""

from dataclasses import dataclass

from maskery.errors import ConfigError
from maskery.plan import mib
from maskery.process_memory import give_back, resident_bytes

# Less is not worth serving with: a photograph of 12 megapixels takes about that.
REQUESTS_AT_LEAST = 64 << 20


@dataclass(frozen=True)
class Budget:
    """``total``: what the process may take, in bytes; ``idle``: what it takes without models and requests."""

    total: int
    idle: int

    @property
    def models(self) -> int:
        """What loaded models may take together."""
        return self.total - self.idle - REQUESTS_AT_LEAST

    def requests(self, models: int) -> int:
        """What requests at work may take together, beside loaded models of ``models`` bytes."""
        return self.total - self.idle - models


def settle(total: int, models: int) -> Budget:
    """The budget of a server that is ready to serve and holds ``models`` bytes of models.

    Raises ``ConfigError`` where too little is left for requests.
    """
    give_back()
    held = resident_bytes()
    if total < held + REQUESTS_AT_LEAST:
        raise ConfigError(
            f"memory is {mib(total)} MiB, and the server with its models already holds {mib(held)}.",
            f"Give it {mib(held + REQUESTS_AT_LEAST)} MiB or more: --memory {mib(held + REQUESTS_AT_LEAST)}MiB.",
        )
    return Budget(total, max(0, held - models))
