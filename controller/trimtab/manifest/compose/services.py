"""Every attribute of a service and its shape. Source: Compose Specification, 05-services.md and its JSON schema."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from trimtab.manifest.compose.build import BUILD
from trimtab.manifest.compose.command import CommandLine, HealthTest
from trimtab.manifest.compose.deploy import DEPLOY
from trimtab.manifest.compose.files import CONFIG_MOUNT, SECRET_MOUNT
from trimtab.manifest.compose.keyvalues import (
    ENVIRONMENT,
    HOSTS,
    LABELS,
    NULLABLE_OPTIONS,
    KeyValues,
    Repeated,
    StorageOptions,
)
from trimtab.manifest.compose.limits import BLKIO, DEVICE, GPUS, ULIMITS
from trimtab.manifest.compose.networks import ENDPOINTS
from trimtab.manifest.compose.ports import Ports
from trimtab.manifest.compose.scalars import BOOLEAN, DURATION, INTEGER, NATURAL, NUMBER, PLAIN, SIZE, TEXT
from trimtab.manifest.compose.shapes import Field, Items, Record, Report, Shape, Values, from_text, is_reset, text, yes
from trimtab.manifest.compose.volumes import MOUNT
from trimtab.manifest.nodes import MappingNode, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMAND = CommandLine()
_NAMES = Items(PLAIN, single=True)


def _started(name: Scalar) -> Node:
    items = {"condition": text("service_started", name), "required": yes(name)}
    return MappingNode(items=items, origin=name.origin)


def _dependency(node: MappingNode) -> Mapping[str, Node]:
    return {"condition": text("service_started", node), "required": yes(node)}


class _Servers(Items):
    """Name servers; an empty one, as an unset variable leaves it, is left out."""

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        servers = super().read(node, where, report)
        if is_reset(node) or isinstance(servers, Scalar | MappingNode):
            return servers
        kept = tuple(item for item in servers.items if not (isinstance(item, Scalar) and item.value == ""))
        return replace(servers, items=kept)


_HOOK = Record(
    {
        "command": Field(_COMMAND, keep=True),
        "user": PLAIN,
        "privileged": BOOLEAN,
        "working_dir": PLAIN,
        "environment": ENVIRONMENT,
    },
    nulls=("command",),
)
_HEALTHCHECK = Record(
    {
        "test": HealthTest(),
        "timeout": Field(DURATION, keep=True),
        "interval": Field(DURATION, keep=True),
        "retries": Field(NATURAL, keep=True),
        "start_period": Field(DURATION, keep=True),
        "start_interval": Field(DURATION, keep=True),
        "disable": BOOLEAN,
    }
)
_DEVELOP = Record(
    {
        "watch": Items(
            Record(
                {
                    "path": Field(PLAIN, keep=True),
                    "action": Field(PLAIN, keep=True),
                    "target": PLAIN,
                    "exec": _HOOK,
                    "include": _NAMES,
                    "ignore": _NAMES,
                    "initial_sync": BOOLEAN,
                },
                always=("exec",),
            )
        )
    }
)
_DEPENDENCY = Record(
    {"condition": PLAIN, "restart": BOOLEAN, "required": Field(BOOLEAN, keep=True)}, defaults=_dependency
)
_CREDENTIAL_SPEC = Record({"config": PLAIN, "file": PLAIN, "registry": PLAIN})
_MODEL = Record({"endpoint_var": PLAIN, "model_var": PLAIN})
_ENV_FILE = Record(
    {"path": PLAIN, "required": Field(BOOLEAN, keep=True), "format": PLAIN},
    short=from_text("path", required=True),
    defaults=lambda node: {"required": yes(node)},
)

ATTRIBUTES: Mapping[str, Shape | Field] = {
    "annotations": KeyValues(bare=""),
    "attach": Field(BOOLEAN, keep=True),
    "blkio_config": BLKIO,
    "build": BUILD,
    "cap_add": PLAIN,
    "cap_drop": PLAIN,
    "cgroup": PLAIN,
    "cgroup_parent": PLAIN,
    "command": Field(_COMMAND, keep=True),
    "configs": Items(CONFIG_MOUNT),
    "container_name": PLAIN,
    "cpu_count": INTEGER,
    "cpu_percent": NUMBER,
    "cpu_period": INTEGER,
    "cpu_quota": INTEGER,
    "cpu_rt_period": INTEGER,
    "cpu_rt_runtime": INTEGER,
    "cpu_shares": INTEGER,
    "cpus": NUMBER,
    "cpuset": PLAIN,
    "credential_spec": _CREDENTIAL_SPEC,
    "depends_on": Values(_DEPENDENCY, names=_started),
    "deploy": DEPLOY,
    "develop": _DEVELOP,
    "device_cgroup_rules": PLAIN,
    "devices": Items(DEVICE),
    "dns": _Servers(PLAIN, single=True),
    "dns_opt": PLAIN,
    "dns_search": _NAMES,
    "domainname": PLAIN,
    "entrypoint": Field(_COMMAND, keep=True),
    "env_file": Items(_ENV_FILE, single=True),
    "environment": ENVIRONMENT,
    "expose": Items(TEXT),
    "extends": Record({"service": PLAIN, "file": PLAIN}, short=from_text("service")),
    "external_links": PLAIN,
    "extra_hosts": HOSTS,
    "gpus": GPUS,
    "group_add": Items(TEXT),
    "healthcheck": _HEALTHCHECK,
    "hostname": PLAIN,
    "image": PLAIN,
    "init": Field(BOOLEAN, keep=True),
    "ipc": PLAIN,
    "isolation": PLAIN,
    "label_file": _NAMES,
    "labels": LABELS,
    "links": PLAIN,
    "logging": Record({"driver": PLAIN, "options": NULLABLE_OPTIONS}),
    "mac_address": PLAIN,
    "mem_limit": SIZE,
    "mem_reservation": SIZE,
    "mem_swappiness": SIZE,
    "memswap_limit": SIZE,
    "models": Values(_MODEL, names=lambda name: text(None, name)),
    "network_mode": PLAIN,
    "networks": ENDPOINTS,
    "oom_kill_disable": BOOLEAN,
    "oom_score_adj": INTEGER,
    "pid": PLAIN,
    "pids_limit": INTEGER,
    "platform": PLAIN,
    "ports": Ports(),
    "post_start": Items(_HOOK),
    "pre_stop": Items(_HOOK),
    "privileged": BOOLEAN,
    "profiles": PLAIN,
    "provider": Record({"type": PLAIN, "options": Repeated()}),
    "pull_policy": PLAIN,
    "pull_refresh_after": PLAIN,
    "read_only": BOOLEAN,
    "restart": PLAIN,
    "runtime": PLAIN,
    "scale": Field(INTEGER, keep=True),
    "secrets": Items(SECRET_MOUNT),
    "security_opt": PLAIN,
    "shm_size": SIZE,
    "stdin_open": BOOLEAN,
    "stop_grace_period": Field(DURATION, keep=True),
    "stop_signal": PLAIN,
    "storage_opt": StorageOptions(),
    "sysctls": KeyValues(bare=""),
    "tmpfs": _NAMES,
    "tty": BOOLEAN,
    "ulimits": ULIMITS,
    "use_api_socket": BOOLEAN,
    "user": PLAIN,
    "userns_mode": PLAIN,
    "uts": PLAIN,
    "volumes": Items(MOUNT),
    "volumes_from": PLAIN,
    "working_dir": PLAIN,
}


class _Service(Record):
    """A service; ``scale``, the older attribute, counts for ``deploy.replicas`` where there is a ``deploy``."""

    @override
    def complete(self, node: Node) -> Node:
        deploy = node.items.get("deploy") if isinstance(node, MappingNode) else None
        if isinstance(node, MappingNode) and isinstance(deploy, MappingNode) and "scale" in node.items:
            scaled = replace(deploy, items={"replicas": node.items["scale"], **deploy.items})
            node = replace(node, items={**node.items, "deploy": scaled})
        return super().complete(node)


SERVICE = _Service(ATTRIBUTES, nulls=("command", "entrypoint"), hidden=("pull_refresh_after",))
