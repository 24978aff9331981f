"""The settings of an application, the same in an Application's ``spec`` and in a compose file's ``x-trimtab``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, JsonValue, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from trimtab.manifest.kinds.base import DnsLabel, Document, FilePath, JsonPointer, Seconds
from trimtab.manifest.kinds.jobs import Job
from trimtab.manifest.kinds.windows import Window
from trimtab.model import application as model
from trimtab.model.drift import DriftMode, DriftPolicy, DriftRule


class DestinationRef(Document):
    """Which engine an application runs on."""

    name: DnsLabel = Field("local", description="A Destination; 'local' is DOCKER_HOST or the local socket.")


class Automated(Document):
    """What happens without being asked."""

    enabled: bool = Field(default=True, description="Follow Git; false: only plan, and sync when asked.")
    prune: bool = Field(default=True, description="Remove what Git no longer has; volumes always ask.")
    self_heal: bool = Field(default=True, description="Repair what was changed on the engine.")
    allow_empty: bool = Field(default=False, description="Accept an application without any service.")


class Backoff(Document):
    """How long to wait between tries."""

    duration: Seconds = 5.0
    factor: float = Field(2.0, ge=1)
    max_duration: Seconds = 180.0


class Retry(Document):
    """How often a failed sync is tried again."""

    limit: int = Field(-1, ge=-1, description="-1 is without end.")
    backoff: Backoff = Backoff()


class DriftField(Document):
    """What is done about some fields of some objects that were changed on the engine."""

    kind: Literal["Container", "Network", "Volume"]
    name: str = Field("", description="The manifest's name for it; without it, all of the kind.")
    json_pointers: tuple[JsonPointer, ...] = Field(
        ("",), min_length=1, description='Into what "docker inspect" shows; "" is the object as a whole.'
    )
    mode: DriftMode


class Drift(Document):
    """What is done about what was changed on the engine although nobody pushed."""

    mode: Literal["repair", "report"] | None = Field(
        None, description="Put right, or only shown and told; default: repair, or report when selfHeal is false."
    )
    fields: tuple[DriftField, ...] = Field((), description="Exceptions; of several that fit, the first one counts.")


class SyncPolicy(Document):
    """How an application follows Git; names as in Argo CD."""

    automated: Automated = Automated()
    retry: Retry = Retry()
    rollback_on_failure: bool = Field(
        default=True, description="When unhealthy within its deadline, put the last healthy release back."
    )
    windows: tuple[Window, ...] = Field((), description="When it may, or may not, be changed.")
    drift: Drift = Drift()

    @model_validator(mode="after")
    def _one_word(self) -> Self:
        if self.drift.mode == "repair" and not self.automated.self_heal:
            raise PydanticCustomError(
                "drift", "says 'repair' in drift.mode, but selfHeal is false: leave one of them out"
            )
        return self

    def to_model(self) -> model.SyncPolicy:
        """The model's form of it."""
        automated, backoff = self.automated, self.retry.backoff
        return model.SyncPolicy(
            automated=automated.enabled,
            prune=automated.prune,
            self_heal=automated.self_heal,
            allow_empty=automated.allow_empty,
            retry_limit=self.retry.limit,
            backoff=model.Backoff(
                duration_s=backoff.duration, factor=backoff.factor, max_duration_s=backoff.max_duration
            ),
            drift=DriftPolicy(
                mode=DriftMode(self.drift.mode or ("repair" if automated.self_heal else "report")),
                rules=tuple(
                    DriftRule(kind=f.kind, name=f.name, json_pointers=f.json_pointers, mode=f.mode)
                    for f in self.drift.fields
                ),
            ),
        )


class Dependency(Document):
    """Another application that has to be healthy first."""

    name: DnsLabel
    namespace: DnsLabel | None = Field(None, description="Default: the application's own.")


class IgnoreDifference(Document):
    """Fields of some objects that Trimtab neither repairs nor sets."""

    kind: Literal["Container", "Network", "Volume"]
    name: str = Field("", description="The manifest's name for it; without it, all of the kind.")
    json_pointers: tuple[JsonPointer, ...] = Field(min_length=1)


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        message = "must be a date or time such as 2030-01-31 or 2030-01-31T18:00:00Z"
        raise PydanticCustomError("moment", message) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class Suspend(Document):
    """A deliberate stop; written short as true or false."""

    enabled: bool = True
    reason: str = ""
    until: Annotated[datetime | None, BeforeValidator(_moment)] = None
    by: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if isinstance(value, bool):
            return {"enabled": value}
        if not isinstance(value, dict | Suspend):
            raise PydanticCustomError("suspend", "must be true, false, or a mapping with enabled, reason, until and by")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The long form, or just a boolean."""
        return {"anyOf": [{"type": "boolean"}, handler(schema)]}

    def to_model(self) -> model.Suspend:
        """The model's form of it."""
        return model.Suspend(enabled=self.enabled, reason=self.reason, until=self.until, by=self.by)


class PatchTarget(Document):
    """What a patch changes."""

    kind: Literal["Service", "Network", "Volume", "Config", "Secret"]
    name: str


class PatchOperation(Document):
    """One operation of RFC 6902."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: JsonPointer
    from_: JsonPointer | None = Field(None, alias="from")
    value: JsonValue = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        # Source: RFC 6902, section 4.
        if self.op in ("add", "replace", "test") and "value" not in self.model_fields_set:
            raise PydanticCustomError("no_value", "needs a 'value' for the operation '{op}'", {"op": self.op})
        if self.op in ("move", "copy") and self.from_ is None:
            raise PydanticCustomError("no_from", "needs a 'from' for the operation '{op}'", {"op": self.op})
        return self

    def to_plain(self) -> dict[str, object]:
        """The operation as jsonpatch takes it."""
        plain: dict[str, object] = {"op": self.op, "path": self.path}
        if self.from_ is not None:
            plain["from"] = self.from_
        if "value" in self.model_fields_set:
            plain["value"] = self.value
        return plain


class Patch(Document):
    """Operations of RFC 6902 on one object of the resolved compose model."""

    target: PatchTarget
    patch: tuple[PatchOperation, ...]


def _no_application(kind: object) -> object:
    """An application's name is who it is: all of its objects carry it."""
    if kind == "Application":
        message = (
            "an application cannot be moved; to keep it the same one where its directory has another name, write"
            " 'name: <old name>' in its compose file, or as metadata.name of its Application"
        )
        raise PydanticCustomError("no_application_move", message)
    return kind


class Moved(Document):
    """A rename that keeps the data."""

    kind: Annotated[Literal["Volume", "Network", "Service"], BeforeValidator(_no_application)]
    from_: str = Field(alias="from")
    to: str


class ComposeOptions(Document):
    """How compose files are read."""

    profiles: tuple[str, ...] = ()
    env_files: tuple[FilePath, ...] = Field((), description="Variables for interpolation, instead of .env.")


class Settings(Document):
    """What Trimtab does with an application."""

    project: DnsLabel = "default"
    destination: DestinationRef = DestinationRef()
    sync_policy: SyncPolicy = SyncPolicy()
    depends_on: tuple[Dependency, ...] = Field((), description="Applications that have to be healthy first.")
    ignore_differences: tuple[IgnoreDifference, ...] = ()
    wave: int = Field(0, description="Applications of one repository are synced in this order, each wave once healthy.")
    timeout: Seconds = Field(600.0, description="The deadline of one sync.")
    suspend: Suspend = Suspend(enabled=False)
    patches: tuple[Patch, ...] = ()
    moved: tuple[Moved, ...] = ()
    jobs: dict[DnsLabel, Job] = Field(default_factory=dict, description="What runs at certain times, and ends.")


class ComposeFileSettings(Settings):
    """A plain compose file's top-level ``x-trimtab``."""

    compose: ComposeOptions = ComposeOptions()
