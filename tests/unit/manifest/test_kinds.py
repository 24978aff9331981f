"""Our kinds: every field of the contract is read, everything else is refused at its place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.manifest.declaration import declare, declare_compose, normalise
from trimtab.manifest.kinds.application import ApplicationManifest
from trimtab.manifest.kinds.base import DNS_LABEL
from trimtab.manifest.kinds.decode import decode
from trimtab.manifest.kinds.destination import DestinationManifest
from trimtab.manifest.kinds.zerverless import ZerverlessManifest
from trimtab.manifest.yaml_nodes import parse
from trimtab.model.application import SourceRef
from trimtab.model.diagnostics import Diagnostic, Severity, has_errors
from trimtab.model.keys import AppKey

WHOLE = """\
apiVersion: trimtab.dev/v1alpha1
kind: Application
metadata:
  name: shop
  namespace: default
  annotations: {team: web}
spec:
  project: default
  source:
    repoURL: https://git.example.com/shop.git
    targetRevision: main
    path: deploy
  destination: {name: local}
  syncPolicy:
    automated: {enabled: true, prune: false, selfHeal: true, allowEmpty: true}
    retry: {limit: 5, backoff: {duration: 5s, factor: 2, maxDuration: 3m}}
    rollbackOnFailure: false
    windows:
      - {kind: allow, schedule: "0 22 * * MON", duration: 2h, timeZone: Europe/Berlin}
      - {kind: deny, schedule: "0 0 24 12 *", duration: 3d, manualSync: true, syncOverrun: false, description: holidays}
  wave: -1
  dependsOn: [{name: database}, {name: mail, namespace: shared}]
  ignoreDifferences: [{kind: Container, name: api, jsonPointers: [/HostConfig/Memory]}]
  timeout: 1h30m
  suspend: {enabled: true, reason: migration, until: 2030-01-31, by: ada}
  compose: {files: [compose.yaml], profiles: [web], envFiles: [prod.env]}
  services: {api: {image: api}}
  networks: {}
  volumes: {}
  configs: {}
  secrets: {}
  patches: [{target: {kind: Service, name: api}, patch: [{op: replace, path: /deploy/replicas, value: 3}]}]
  moved: [{kind: Volume, from: data, to: dbdata}]
"""


def problems(spec: str, *, head: str = "") -> tuple[Diagnostic, ...]:
    text = head or "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: shop}\nspec:\n"
    (node,), _ = parse((text + spec).encode(), "app.yaml")
    return decode(ApplicationManifest, node)[1]


def test_every_field_of_the_contract_is_read() -> None:
    (node,), _ = parse(WHOLE.encode(), "app.yaml")
    manifest, found = decode(ApplicationManifest, node)
    assert found == ()
    assert manifest is not None
    spec = manifest.spec
    assert manifest.metadata.annotations == {"team": "web"}
    assert (spec.timeout, spec.sync_policy.retry.backoff.max_duration) == (5400.0, 180.0)
    assert spec.suspend.until == datetime(2030, 1, 31, tzinfo=UTC)
    assert spec.patches[0].patch[0].to_plain() == {"op": "replace", "path": "/deploy/replicas", "value": 3}
    policy = spec.sync_policy.to_model()
    assert (policy.prune, policy.allow_empty, policy.retry_limit) == (False, True, 5)
    declaration, found = declare(node, AppKey("default", "shop"))
    assert found == ()
    assert declaration.source == SourceRef(
        repo_url="https://git.example.com/shop.git", target_revision="main", path="deploy"
    )
    assert declaration.inline is not None
    assert list(declaration.inline.items) == ["services", "networks", "volumes", "configs", "secrets"]


def test_the_shortest_application_has_the_contracts_defaults() -> None:
    (node,), _ = parse(WHOLE.partition("spec:")[0].encode(), "app.yaml")
    manifest, found = decode(ApplicationManifest, node)
    assert found == ()
    assert manifest is not None
    policy = manifest.spec.sync_policy.to_model()
    assert (policy.automated, policy.prune, policy.self_heal, policy.allow_empty) == (True, True, True, False)
    assert (policy.retry_limit, policy.backoff.duration_s, policy.backoff.factor) == (-1, 5.0, 2.0)
    assert manifest.spec.timeout == 600.0
    assert not manifest.spec.suspend.enabled
    assert manifest.spec.destination.name == "local"


@pytest.mark.parametrize(
    ("spec", "place", "message", "hint"),
    [
        ("  timout: 5m\n", "5:3", "unknown field 'timout' in spec", "did you mean 'timeout'?"),
        (
            "  syncPolicy: {automated: {selfheal: true}}\n",
            "5:28",
            "unknown field 'selfheal'",
            "did you mean 'selfHeal'?",
        ),
        ("  sync_policy: {}\n", "5:3", "unknown field 'sync_policy' in spec", "did you mean 'syncPolicy'?"),
        (
            "  dependsOn: [{name: a, nam: x}]\n",
            "5:25",
            "unknown field 'nam' in spec.dependsOn[0]",
            "did you mean 'name'?",
        ),
        ("  zzz: 1\n", "5:3", "unknown field 'zzz' in spec", "known fields: compose, configs"),
        ("  timeout: 10\n", "5:12", "spec.timeout must be a duration with its unit", ""),
        ("  timeout: soon\n", "5:12", "spec.timeout is not a duration", ""),
        ("  timeout: -5m\n", "5:12", "spec.timeout is not a duration", ""),
        ("  suspend: maybe\n", "5:12", "spec.suspend must be true, false, or a mapping", ""),
        ("  suspend: {until: monday}\n", "5:20", "spec.suspend.until must be a date or time", ""),
        ("  syncPolicy: {automated: {prune: 'no'}}\n", "5:35", "must be true or false, not 'no'", ""),
        ("  syncPolicy: {retry: {limit: 1.5}}\n", "5:31", "spec.syncPolicy.retry.limit must be a whole number", ""),
        ("  syncPolicy: {retry: {limit: -2}}\n", "5:31", "must be at least -1", ""),
        ("  project: 5\n", "5:12", "spec.project must be text, not '5'", "quote it"),
        ("  project:\n", "5:3", "spec.project must be text, not empty", ""),
        ("  dependsOn: {name: x}\n", "5:3", "spec.dependsOn must be a list, not a mapping", ""),
        ("  dependsOn: [{}]\n", "5:15", "spec.dependsOn[0].name is required", ""),
        ("  source: {repoURL: ' '}\n", "5:21", "must not be empty", ""),
        ("  source: {repoURL: 'https://[x'}\n", "5:21", "is not a URL", ""),
        ("  source: {path: ../x}\n", "5:18", "must be a relative path inside the repository", ""),
        ("  source: {repoURL: 'https://me:s3cret@host/x'}\n", "5:21", "must not hold credentials", ""),
        ("  compose: {files: [/etc/compose.yaml]}\n", "5:21", "must be a relative path of the repository", ""),
        ("  ignoreDifferences: [{kind: Container, jsonPointers: [a]}]\n", "5:56", "must be a JSON pointer", ""),
        ("  ignoreDifferences: [{kind: Container, jsonPointers: []}]\n", "5:41", "must not be empty", ""),
        ("  moved: [{kind: Volumes, from: a, to: b}]\n", "5:18", "must be 'Volume', 'Network' or 'Service'", "did you"),
        (
            "  patches: [{target: {kind: Service, name: a}, patch: [{op: add, path: /a}]}]\n",
            "5:56",
            "needs a 'value'",
            "",
        ),
        (
            "  patches: [{target: {kind: Service, name: a}, patch: [{op: move, path: /a}]}]\n",
            "5:56",
            "needs a 'from'",
            "",
        ),
        (
            "  patches: [{target: {kind: Service, name: a}, patch: [{op: set, path: /a}]}]\n",
            "5:61",
            "must be 'add'",
            "",
        ),
    ],
)
def test_a_wrong_field_is_told_with_its_place(spec: str, place: str, message: str, hint: str) -> None:
    (found,) = problems(spec)
    assert found.severity is Severity.ERROR
    assert f"{found.origin.line}:{found.origin.column}" == place
    assert message in found.message
    assert hint in found.hint
    assert "s3cret" not in str(found)


def test_all_problems_are_told_at_once_in_the_order_of_their_places() -> None:
    found = problems("  timout: 5m\n  project: X\n  dependsOn: 5\n")
    assert [d.origin.line for d in found] == [5, 6, 7]


@pytest.mark.parametrize("name", ["Shop", "-a", "a-", "a_b", "a.b", "", "a" * 64])
def test_a_name_that_is_no_dns_label_is_refused(name: str) -> None:
    (found,) = problems("", head=f"apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {{name: '{name}'}}\n")
    assert "must be a DNS label" in found.message


def test_a_status_in_a_file_is_a_warning() -> None:
    (node,), _ = parse(f"{WHOLE}status: {{sync: {{}}}}\n".encode(), "app.yaml")
    _, (found,) = declare(node, AppKey("default", "shop"))
    assert (found.severity, found.code) == (Severity.WARNING, "TT1505")


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("unix:///var/run/docker.sock", True),
        ("tcp://10.0.0.1:2376", True),
        ("ssh://deploy@host", True),
        ("unix://", False),
        ("ftp://host", False),
        ("tcp://[x", False),
        ("host:2375", False),
        ("ssh://u:p@host", False),
    ],
)
def test_a_destinations_host_is_the_url_of_an_engine(host: str, good: bool) -> None:  # noqa: FBT001
    text = f"apiVersion: trimtab.dev/v1alpha1\nkind: Destination\nmetadata: {{name: far}}\nspec: {{host: '{host}'}}\n"
    (node,), _ = parse(text.encode(), "d.yaml")
    manifest, found = decode(DestinationManifest, node)
    assert (manifest is not None, has_errors(found)) == (good, not good)


ZERVERLESS = """\
apiVersion: zerverless.io/v1
kind: Application
metadata:
  name: my-app
  namespace: alice
spec:
  source:
    repoURL: https://github.com/user/my-repo
    branch: main
    subdir: deploy
  functions:
    - path: /api
      runtime: docker
      dockerfile: ./services/api/Dockerfile
      context: ./services/api
    - path: /hello
      runtime: lua
      code: return 1
  static:
    dir: ./static
"""


def test_a_zerverless_application_with_errors_is_told() -> None:
    (node,), _ = parse(ZERVERLESS.replace("branch", "brunch").encode(), "zerverless.yaml")
    _, (found,) = declare(node, AppKey("alice", "my-app"))
    assert (found.code, found.hint) == ("TT1502", "did you mean 'branch'?")


def test_a_document_that_is_no_mapping_is_told() -> None:
    (node,), _ = parse(b"[1]", "x.yaml")
    _, (found,) = decode(ApplicationManifest, node)
    assert found.message == "the document must be a mapping, not a list"


def test_suspend_without_an_end() -> None:
    assert problems("  suspend: {until: null}\n") == ()
    assert problems("  suspend: true\n") == ()


def test_a_zerverless_application_is_read_as_it_stands_and_its_functions_are_named() -> None:
    (node,), _ = parse(ZERVERLESS.encode(), "zerverless.yaml")
    manifest, none = decode(ZerverlessManifest, node)
    assert manifest is not None
    assert none == ()
    declaration, found = declare(node, AppKey("alice", "my-app"))
    assert declaration.source == SourceRef(
        repo_url="https://github.com/user/my-repo", target_revision="main", path="deploy"
    )
    assert declaration.directory == "deploy"
    assert [(d.code, d.origin.line) for d in found] == [("TT1507", 12), ("TT1507", 16), ("TT1507", 20)]
    assert "'/api'" in found[0].message
    assert "'/hello'" in found[1].message
    assert "'./static'" in found[2].message
    assert not has_errors(found)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Shop", "shop"),
        ("my_app", "my-app"),
        ("_x", "x"),
        ("a b.c", "abc"),
        ("x" * 80, "x" * 63),
        ("é!", ""),
        ("-", ""),
    ],
)
def test_a_directorys_name_is_normalised(name: str, label: str) -> None:
    assert normalise(name) == label


def test_a_directory_without_a_usable_name_is_told() -> None:
    declaration, (found,) = declare_compose("!!", "!!", "!!/compose.yaml")
    assert declaration is None
    assert found.code == "TT1523"


@given(st.text())
def test_normalising_gives_a_dns_label_or_nothing_and_is_idempotent(name: str) -> None:
    import re

    label = normalise(name)
    assert label == "" or re.fullmatch(DNS_LABEL, label)
    assert normalise(label) == label


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab$-/. é", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=8), inner, max_size=3),
    max_leaves=10,
)
spec_fields = st.sampled_from(sorted(WHOLE.partition("spec:")[2].replace(" ", "").replace("\n", ":").split(":")))


@given(st.dictionaries(spec_fields, json_values, max_size=4))
def test_decoding_anything_gives_a_manifest_or_errors_with_places_and_never_raises(spec: dict[str, object]) -> None:
    import json

    document = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Application", "metadata": {"name": "x"}, "spec": spec}
    nodes, _ = parse(json.dumps(document).encode(), "app.yaml")
    manifest, found = decode(ApplicationManifest, nodes[0])
    assert (manifest is None) == has_errors(found)
    assert all(d.origin.path == "app.yaml" and d.origin.line >= 1 and d.message for d in found)


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ("{kind: maybe, schedule: '0 0 * * *', duration: 1h}", "must be 'allow' or 'deny'"),
        ("{kind: deny, schedule: '0 0 * *', duration: 1h}", "4 fields"),
        ("{kind: deny, schedule: '0 25 * * *', duration: 1h}", "bad hour"),
        ("{kind: deny, schedule: '0 0 * * *', duration: 0s}", "longer than nothing"),
        ("{kind: deny, schedule: '0 0 * * *', duration: 1h, timeZone: Berlin}", "no time zone"),
        ("{kind: deny, schedule: '0 0 * * *'}", "duration is required"),
        ("{kind: deny, schedule: '0 0 * * *', duration: 1h, clusters: ['*']}", "unknown field 'clusters'"),
    ],
)
def test_a_window_that_cannot_be_used_is_refused_at_its_place(window: str, says: str) -> None:
    (problem,) = problems(f"  syncPolicy:\n    windows:\n      - {window}\n")
    assert says in problem.message
    assert problem.origin.line == 7
