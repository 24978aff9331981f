"""Order between applications, windows and suspensions, on an engine in memory and in time that a test owns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clock import FakeClock
from tests.support.fleet import Fleet
from tests.support.process import SHOP, MemoryRepository, Process
from tests.support.world import Script, World
from trimtab.model.keys import AppKey
from trimtab.model.records import RequestVerb, Suspension
from trimtab.model.schedule import parse_schedule
from trimtab.model.status import HealthStatus, Requeue, SyncStatus, Wait
from trimtab.model.trigger import TriggerKind
from trimtab.model.windows import SyncWindow, WindowKind
from trimtab.runtime.reconciler import RESYNC_S

CHECKED = 'healthcheck: {test: [CMD, "true"]}'


def key(name: str) -> AppKey:
    return AppKey("default", name)


def text(image: str = "web:1", *, needs: Sequence[str] = (), wave: int = 0, **more: str) -> str:
    names = ", ".join(f"{{name: {name}}}" for name in needs)
    extra = "".join(f", {setting}: {value}" for setting, value in more.items())
    return (
        f"services: {{web: {{image: '{image}', {CHECKED}}}}}\nx-trimtab: {{dependsOn: [{names}], wave: {wave}{extra}}}"
    )


class Lab:
    def __init__(self, data_dir: Path, windows: Sequence[SyncWindow] = ()) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock)
        self.world.scripts["broken:1"] = Script(healthy=False)
        self.repository = MemoryRepository()
        self.process = Process(self.world, self.repository, data_dir, self.clock, windows=windows)

    def push(self, texts: Mapping[str, str]) -> None:
        self.repository.push({f"{name}/compose.yaml": found for name, found in texts.items()} | {"README": "here"})

    def fleet(self, *, resync: bool = False) -> Fleet:
        return Fleet(self.process, self.clock, resync=resync)

    def image(self, name: str) -> str:
        found = [c for c in self.world.of(key(name)) if c.up]
        return found[0].spec["Config"]["Image"] if found else ""

    def message(self, name: str) -> str:
        return self.process.status(key(name)).message


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.process.close()


# -- dependsOn -------------------------------------------------------------------------------------------------------


def test_what_depends_on_another_is_begun_by_the_event_that_it_is_healthy(lab: Lab) -> None:
    """No timer is left in this fleet, so only the event can have woken it, and it did at that very moment."""
    lab.push({"a": text(needs=["b"]), "b": text(needs=["c"]), "c": text()})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run(lambda: bool(lab.image("a")))
    assert [lab.image(name) for name in "abc"] == ["web:1"] * 3
    assert (key("a"), TriggerKind.DEPENDENCY) in [(k, kind) for _, k, kind in fleet.passes]
    assert max(moment for moment, _, _ in fleet.passes) - min(m for m, _, _ in fleet.passes) < timedelta(seconds=60)


def test_a_commit_to_both_brings_the_dependency_first(lab: Lab) -> None:
    """That the old release of the one is healthy is not enough for the new release of the other."""
    lab.push({"a": text(needs=["b"]), "b": text()})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run()
    lab.push({"a": text("web:2", needs=["b"]), "b": text("broken:1")})
    fleet.commit()
    fleet.run()
    assert lab.image("a") == "web:1"
    assert "waits for b to be synced, whose newest commit failed" in lab.message("a") or "Degraded" in lab.message("a")
    lab.push({"a": text("web:2", needs=["b"]), "b": text("web:3")})
    fleet.commit()
    fleet.run()
    assert (lab.image("a"), lab.image("b")) == ("web:2", "web:3")


def test_a_dependency_that_is_unchanged_holds_nobody(lab: Lab) -> None:
    lab.push({"a": text(needs=["b"]), "b": text()})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run()
    lab.push({"a": text("web:2", needs=["b"]), "b": text()})
    fleet.commit()
    fleet.run(at_most_s=5)
    assert lab.image("a") == "web:2"


def test_what_others_lean_on_is_removed_after_them(lab: Lab) -> None:
    lab.push({"a": text(needs=["b"]), "b": text(needs=["c"]), "c": text(), "stays": text()})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run()
    lab.push({"stays": text()})
    fleet.process.read()
    # The worst order: what is needed is looked at first.
    for name in "cba":
        fleet.wake(key(name), TriggerKind.COMMIT)
    gone: list[str] = []
    while any(lab.world.of(key(name)) for name in "abc"):
        known = len(gone)
        fleet.run(lambda n=known: sum(not lab.world.of(key(name)) for name in "abc") > n, at_most_s=30)  # type: ignore[misc]
        left = [name for name in "abc" if not lab.world.of(key(name)) and name not in gone]
        assert left, "the removal does not go on by itself"
        gone += left
    assert gone == ["a", "b", "c"]


def test_a_circle_is_refused_and_names_both_files(lab: Lab) -> None:
    lab.push({"a": text(needs=["b"]), "b": text(needs=["a"])})
    lab.fleet().commit()
    problems = " ".join(str(p) for v in lab.process.catalog.views() for p in v.problems)
    assert "TT1601" in problems
    assert "a/compose.yaml" in problems
    assert "b/compose.yaml" in problems


def test_to_depend_on_a_later_wave_is_refused(lab: Lab) -> None:
    lab.push({"a": text(needs=["b"]), "b": text(wave=5)})
    lab.fleet().commit()
    (problem,) = [p for view in lab.process.catalog.views() for p in view.problems]
    assert problem.code == "TT1607"
    assert "b/compose.yaml" in problem.message


# -- waves -----------------------------------------------------------------------------------------------------------


def test_a_failed_lower_wave_holds_the_higher_and_says_so(lab: Lab) -> None:
    lab.push({"db": text("broken:1", wave=-1), "web": text()})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run()
    assert lab.image("web") == ""
    assert lab.message("web").startswith("waits for db of wave -1 to be")
    assert lab.process.status(key("web")).sync is SyncStatus.OUT_OF_SYNC


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), st.sampled_from([-1, 0, 5]), min_size=2), st.randoms()
)
def test_no_application_of_a_higher_wave_is_begun_before_the_lower_is_healthy(waves: dict[str, int], random) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(Path(directory))
        try:
            for image in ("web:1", "web:2"):
                lab.push({name: text(image, wave=wave) for name, wave in waves.items()})
                fleet = lab.fleet()
                lab.process.read()
                for name in random.sample(sorted(waves), len(waves)):
                    fleet.wake(key(name), TriggerKind.COMMIT)
                while any(lab.image(name) != image for name in waves):
                    before = {name: lab.image(name) for name in waves}
                    fleet.run(lambda b=before: any(lab.image(n) != b[n] for n in waves), at_most_s=120)  # type: ignore[misc]
                    begun = [name for name in waves if lab.image(name) != before[name]]
                    assert begun, "no wave goes on by itself"
                    for name in begun:
                        lower = [other for other in waves if waves[other] < waves[name]]
                        assert all(before[other] == image for other in lower)
                        assert all(lab.process.status(key(o)).health is HealthStatus.HEALTHY for o in lower)
        finally:
            lab.process.close()


# -- windows ---------------------------------------------------------------------------------------------------------


def opens_in(lab: Lab, minutes: int, kind: str = "allow", **more: object) -> SyncWindow:
    moment = lab.clock.now().replace(second=0) + timedelta(minutes=minutes)
    return SyncWindow(
        kind=WindowKind(kind),
        schedule=parse_schedule(f"{moment.minute} {moment.hour} * * *"),
        duration_s=600,
        **more,  # type: ignore[arg-type]
    )


def windowed(lab: Lab, tmp_path: Path, *windows: SyncWindow) -> Process:
    directory = tmp_path / "second"
    directory.mkdir()
    lab.process.close()
    lab.process = Process(lab.world, lab.repository, directory, lab.clock, windows=windows)
    return lab.process


@pytest.mark.parametrize("minutes", [3, 600])
def test_work_waits_for_its_window_and_runs_the_second_it_opens(lab: Lab, tmp_path: Path, minutes: int) -> None:
    window = opens_in(lab, minutes)
    opens_at = lab.clock.now().replace(second=0) + timedelta(minutes=minutes)
    windowed(lab, tmp_path, window)
    lab.push({"shop": text()})
    fleet = lab.fleet(resync=True)
    fleet.commit()
    fleet.run(at_most_s=1)
    assert lab.message("shop") == f"waits for the window that opens {opens_at:%a %H:%M} UTC"
    assert not lab.world.containers
    fleet.run(lambda: bool(lab.image("shop")), at_most_s=24 * 3600)
    assert lab.image("shop") == "web:1"
    assert lab.clock.now() == opens_at
    # Apart from the regular full look, nobody looked whether it is open yet.
    assert len(fleet.passes) <= 3 + minutes * 60 / RESYNC_S


def test_a_window_in_the_manifest_works_like_one_of_the_controller(lab: Lab) -> None:
    moment = lab.clock.now() + timedelta(minutes=10)
    window = f"[{{kind: allow, schedule: '{moment.minute} {moment.hour} * * *', duration: 1h, timeZone: UTC}}]"
    lab.push({"shop": text(syncPolicy=f"{{windows: {window}}}")})
    fleet = lab.fleet(resync=True)
    fleet.commit()
    fleet.run(at_most_s=60)
    assert "waits for the window" in lab.message("shop")
    fleet.run(lambda: bool(lab.image("shop")), at_most_s=3600)
    assert lab.clock.now() == moment.replace(second=0)


def test_drift_in_a_closed_window_is_told_and_repaired_when_it_opens(lab: Lab, tmp_path: Path) -> None:
    """As in Argo CD: to heal is an automatic sync."""
    lab.push({"shop": text()})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run()
    process = windowed(lab, tmp_path, opens_in(lab, 30))
    process.read()
    fleet = lab.fleet(resync=True)
    lab.world.stop(lab.world.of(SHOP)[0])
    fleet.wake(SHOP, TriggerKind.ENGINE)
    fleet.run(at_most_s=5)
    status = process.status()
    assert (status.sync, "waits for the window" in status.message) == (SyncStatus.OUT_OF_SYNC, True)
    assert lab.image("shop") == ""
    fleet.run(lambda: bool(lab.image("shop")), at_most_s=3600)
    assert lab.image("shop") == "web:1"


@pytest.mark.parametrize("manual", [False, True])
def test_a_persons_sync_needs_manual_sync(lab: Lab, tmp_path: Path, manual: bool) -> None:  # noqa: FBT001
    process = windowed(lab, tmp_path, opens_in(lab, 30, manual_sync=manual))
    lab.push({"shop": text()})
    process.read()
    followed = process.reconcile(SHOP, sync=True)
    assert bool(lab.image("shop")) is manual
    if not manual:
        assert isinstance(followed, Wait)
        assert "waits for the window" in followed.refused


def test_a_release_that_fails_after_its_window_is_put_back_all_the_same(lab: Lab, tmp_path: Path) -> None:
    lab.push({"shop": text()})
    process = windowed(lab, tmp_path, opens_in(lab, -5))
    fleet = lab.fleet()
    fleet.commit()
    fleet.run(at_most_s=60)
    lab.push({"shop": "services: {web: {image: 'web:2'}}"})
    fleet.commit()
    fleet.run(lambda: lab.image("shop") == "web:2", at_most_s=60)
    container = lab.world.of(SHOP)[0]
    lab.world.exit(container, 1)
    lab.clock.advance(900)
    for _ in range(4):
        process.reconcile(SHOP, TriggerKind.ENGINE)
    assert lab.image("shop") == "web:1", process.status()


# -- suspensions -----------------------------------------------------------------------------------------------------


def test_a_suspension_ends_by_itself_at_its_time(lab: Lab) -> None:
    lab.push({"shop": text()})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run(at_most_s=60)
    until = lab.clock.now() + timedelta(minutes=2)
    lab.process.store.holds.suspend(
        Suspension(app=SHOP, since=lab.clock.now(), reason="migration", by="ada", until=until)
    )
    lab.push({"shop": text("web:2")})
    fleet.commit()
    fleet.run(lambda: lab.image("shop") == "web:2")
    assert lab.clock.now() == until


def test_a_suspended_application_is_neither_healed_nor_pruned_and_a_sync_is_refused(lab: Lab) -> None:
    lab.push({"shop": text()})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run()
    lab.process.store.holds.suspend(Suspension(app=SHOP, since=lab.clock.now(), reason="migration", by="ada"))
    lab.world.stop(lab.world.of(SHOP)[0])
    lab.push({"shop": text().replace("web:", "other:", 1)})
    fleet.commit()
    fleet.run(at_most_s=600)
    assert lab.image("shop") == ""
    assert [c.name for c in lab.world.of(SHOP)] == ["shop-web-1"]
    followed = lab.process.reconcile(SHOP, sync=True)
    assert isinstance(followed, Requeue)
    assert followed.refused == 'suspended by ada: "migration"'
    assert lab.process.store.requests.submit(SHOP, RequestVerb.SYNC)
    assert lab.image("shop") == ""


def test_a_suspension_in_git_ends_at_its_time(lab: Lab) -> None:
    until: datetime = lab.clock.now() + timedelta(minutes=4)
    lab.push({"shop": text(suspend=f"{{reason: launch, by: bob, until: '{until.isoformat()}'}}")})
    fleet = lab.fleet()
    fleet.commit()
    fleet.run(lambda: bool(lab.image("shop")))
    assert lab.clock.now() == until
