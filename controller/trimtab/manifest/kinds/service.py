"""The settings of one service: what stands under ``x-trimtab`` in a service of a compose file or an Application."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trimtab.manifest.kinds.base import Document, Seconds
from trimtab.model import application as model


class Address(Document):
    """A stable address: a proxy that has the service's name, and knows only replicas that are well."""

    image: str = Field(min_length=1, description="HAProxy, 2.6 or newer, such as haproxy:3.0.")
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        (), description="TCP ports of the service; without it, those of expose and ports."
    )


class Rollout(Document):
    """How a service goes from one version to the next, beside what ``deploy.update_config`` says."""

    strategy: Literal["rolling", "blue-green"] = Field(
        "rolling", description="blue-green: all new replicas prove themselves beside the old ones, then take over."
    )
    promote: Literal["auto", "manual"] = Field("auto", description="manual: the new ones wait for 'trimtab approve'.")
    alias: Literal["start", "when-healthy"] = Field(
        "start",
        description="when-healthy: a new one gets the service's network names only when it has proved itself; "
        "it leaves and joins its networks for that, which ends the connections that it has opened itself.",
    )
    drain: Seconds | None = Field(
        None,
        description="Before it is stopped, an old one is called unhealthy, so that a proxy forgets it, and goes on "
        "for this long. Needs a healthcheck, and /bin/sh in the image.",
    )
    address: Address | None = Field(
        None,
        description="A proxy of this image gets the service's names on all of its networks, and its published ports; "
        "it sends connections to healthy replicas only, and to none that is about to stop.",
    )


class ServiceSettings(Document):
    """What Trimtab does with one service."""

    wave: int = Field(0, description="Lower waves are there and healthy before higher ones begin.")
    hook: Literal["PreSync", "Sync", "PostSync", "SyncFail", "PreDelete", "PostDelete"] | None = Field(
        None, description="Run it once, in this phase of a sync, instead of keeping it running."
    )
    hook_delete_policy: Literal["BeforeHookCreation", "HookSucceeded", "HookFailed"] = Field(
        "BeforeHookCreation", description="When a hook's container is removed."
    )
    rollout: Rollout = Rollout()

    def to_model(self) -> model.ServiceSettings:
        """The model's form of it."""
        return model.ServiceSettings(
            wave=self.wave,
            hook=model.HookPhase(self.hook) if self.hook is not None else None,
            hook_delete_policy=model.HookDeletePolicy(self.hook_delete_policy),
            rollout=model.Rollout(
                strategy=model.RolloutStrategy(self.rollout.strategy),
                promote=model.Promote(self.rollout.promote),
                alias=model.AliasFrom(self.rollout.alias),
                drain_s=self.rollout.drain,
                address=_address(self.rollout.address),
            ),
        )


def _address(said: Address | None) -> model.Address | None:
    return None if said is None else model.Address(image=said.image, ports=tuple(sorted(set(said.ports))))
