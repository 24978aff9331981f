"""The examples run as their READMEs say, in copies whose names nobody else on the engine has."""

from __future__ import annotations

import shutil
import urllib.request
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.checks import look, recorded
from tests.support.engine import EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.scenario import PATIENCE_S, Controller, Shop, free_port, inside, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

EXAMPLES = ROOT / "examples"


def _copied(example: str, folder: Path, edits: dict[str, tuple[str, str]]) -> GitRepo:
    """A repository with the example, in which texts of files (by pattern) are replaced, all of them there."""
    repo = GitRepo.create(folder)
    shutil.copytree(EXAMPLES / example, repo.path, dirs_exist_ok=True)
    for pattern, (old, new) in edits.items():
        files = sorted(repo.path.glob(pattern))
        assert files, pattern
        for file in files:
            text = file.read_text(encoding="utf-8")
            assert old in text, f"{file} has no {old!r}"
            file.write_text(text.replace(old, new), encoding="utf-8")
    repo.commit(message=f"The example {example}")
    repo.push()
    return repo


def test_compose_only(scope: EngineScope, tmp_path: Path) -> None:
    port = free_port()
    edits = {"compose.yaml": ("name: visitors", f"name: {scope.name}"), ".env": ("8090", str(port))}
    repo = _copied("compose-only", tmp_path, edits)
    controller = Controller(scope.name, (repo.remote,), tmp_path / "controller")
    with running(controller):
        shop = Shop(scope, scope.name, repo, controller, port)
        shop.eventually_settled()

        def signed() -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/cgi-bin/visitors", timeout=5) as answer:
                return not answer.read().startswith(b"0 ")

        eventually(signed, what="the regular visitor has signed the book")
        assert set(shop.containers()) == {f"{scope.name}-page-1", f"{scope.name}-regular-1"}


def test_migrations(scope: EngineScope, tmp_path: Path) -> None:
    """As its README says: a step and a schema are pushed; a step that fails leaves the api alone."""
    edits = {"compose.yaml": ("name: ledger", f"name: {scope.name}")}
    repo = _copied("migrations", tmp_path, edits)
    controller = Controller(scope.name, (repo.remote,), tmp_path / "controller")
    with running(controller):
        shop = Shop(scope, scope.name, repo, controller, None)
        shop.eventually_settled()
        step = 'sed -i "1s/$/,currency/" /data/ledger.csv\n'
        shop.push({"migrate/steps/2-currency.sh": step, ".env": "SCHEMA=2\n"})
        shop.eventually_settled()
        assert inside(scope, f"{scope.name}-api-1", "cat", "/data/ledger.csv") == "name,amount,currency"
        before = shop.container("api")
        shop.push({"migrate/steps/3-broken.sh": "echo no; exit 1\n", ".env": "SCHEMA=3\n"})
        shop.eventually_says("migrate", "exit code 1")
        assert shop.container("api") == before
        assert controller.trimtab("jobs", scope.name, "log", "migrate").out.split() == ["3-broken.sh", "no"]
        assert controller.trimtab("jobs", scope.name, "run", "report").code == 0
        eventually(
            lambda: "schema 2, 2 migrations" in controller.trimtab("jobs", scope.name, "log", "report").out,
            what="the report says so",
        )


def test_monorepo(scope: EngineScope, tmp_path: Path) -> None:
    name = scope.name
    edits = {
        "apps/*/application.yaml": ("metadata:\n", f"metadata:\n  namespace: {name}\n"),
        "apps/*/*.yaml": ("{name: backbone", f"{{name: {name}-backbone"),
    }
    repo = _copied("monorepo", tmp_path, edits)
    apps = sorted(path.name for path in (repo.path / "apps").iterdir())
    assert len(apps) == 12
    controller = Controller(name, (repo.remote,), tmp_path / "controller")
    with running(controller):

        def healthy(revision: str) -> bool:
            statuses = {app: controller.status(f"{name}/{app}") for app in apps}
            behind = {
                app: (status.get("sync"), status.get("health"), status.get("message"))
                for app, status in statuses.items()
                if (status.get("sync"), status.get("health"), status.get("desired_revision"))
                != ("Synced", "Healthy", revision)
            }
            assert behind == {}
            return True

        eventually(lambda: healthy(repo.head()), what="all twelve are settled", timeout_s=2 * PATIENCE_S)
        before = look(scope)
        assert len(before.containers) == 12
        order = [
            app for (app,) in controller.ask("SELECT app FROM releases WHERE phase = 'Succeeded' ORDER BY finished_at")
        ]
        assert order[0] == f"{name}/platform"
        assert order.index(f"{name}/search") > order.index(f"{name}/catalogue")
        assert order.index(f"{name}/shop") > order.index(f"{name}/orders") > order.index(f"{name}/accounts")

        # A commit that concerns one application is nothing to the other eleven.
        run = controller.last_run()
        with recorded(scope) as happened:
            repo.deploy({"apps/shop/site/index.html": "we are open\n"})
            eventually(lambda: healthy(repo.head()), what="all twelve are settled again", timeout_s=PATIENCE_S)
        assert controller.last_run() == run + 1
        # Newer engines tell of the tag that a build gives its image.
        of_the_shop = (f"{name}-shop-web", f"image tag trimtab/{name}/shop-web:", "network")
        assert [line for line in happened.sentences if not any(words in line for words in of_the_shop)] == []
        after = look(scope).containers
        changed = {container for container, facts in after.items() if before.containers.get(container) != facts}
        assert changed == {f"{name}-shop-web-1"}
        page = inside(scope, f"{name}-admin-web-1", "wget", "-qO-", f"http://{name}-shop-web-1:8080/index.html")
        assert page == "we are open"

        # A mistake in one holds that one alone.
        bad = (
            (repo.path / "apps/mail/application.yaml").read_text(encoding="utf-8").replace("healthcheck", "helthcheck")
        )
        repo.deploy({"apps/mail/application.yaml": bad, "apps/admin/site/index.html": "still deployed\n"})
        eventually(
            lambda: "apps/mail/application.yaml:" in controller.status(f"{name}/mail")["message"], what="mail is held"
        )
        eventually(
            lambda: controller.status(f"{name}/admin")["applied_revision"] == repo.head(), what="admin is deployed"
        )
        assert look(scope).containers[f"{name}-mail-web-1"] == before.containers[f"{name}-mail-web-1"]
