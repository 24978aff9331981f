"""The project that everyone carries out: N services with a volume each on one network, on the engine's base image."""

from __future__ import annotations

from collections.abc import Collection

from tests.support.engine import BASE_IMAGE

# Ends at once when it is told to: how long a program takes to stop is not what is compared.
COMMAND = ("/bin/busybox", "sh", "-c", "trap exit TERM INT; sleep infinity & wait")


def service_name(number: int) -> str:
    """s007."""
    return f"s{number:03d}"


def compose_text(services: int, changed: Collection[int] = (), version: str = "v2") -> str:
    """compose.yaml; ``changed`` services carry ``version`` in their environment, the others v1."""
    command = ", ".join(f'"{part}"' for part in COMMAND)
    lines = ["services:"]
    for number in range(services):
        lines += [
            f"  {service_name(number)}:",
            f"    image: {BASE_IMAGE}",
            f"    command: [{command}]",
            "    environment:",
            f"      V: {version if number in changed else 'v1'}",
            f'      IDX: "{number}"',
            "    networks: [net]",
            f"    volumes: ['v{number:03d}:/data']",
        ]
    lines += ["networks:", "  net: {}", "volumes:"]
    lines += [f"  v{number:03d}: {{}}" for number in range(services)]
    return "\n".join(lines) + "\n"
