"""The pure stages on a World: plan an application, and carry the plan out in any order, to any step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tests.support.memory_tree import MemoryTree
from tests.support.world import World
from trimtab.backends.engine import steps
from trimtab.backends.engine.dialect import EngineDialect
from trimtab.errors import TrimtabError
from trimtab.model.application import Application, ComposeProject
from trimtab.model.change import Verb
from trimtab.model.desired import DesiredState, ImageChoice
from trimtab.model.diagnostics import Origin
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.plan import Node, Plan, StepStatus
from trimtab.plan.assemble import make_plan
from trimtab.plan.canonical import digest
from trimtab.plan.diff import DiffOptions
from trimtab.ports import StepContext
from trimtab.runtime.graph import End, Graph

SHOP = AppKey("default", "shop")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Services = Mapping[str, Mapping[str, object]]


def project(services: Services, name: str = "shop", **sections: Mapping[str, Mapping[str, object]]) -> ComposeProject:
    """A compose model in the long form; the default network is there as the loader puts it there."""
    networks: dict[str, Mapping[str, object]] = {"default": {"name": f"{name}_default"}, **sections.pop("networks", {})}
    return ComposeProject(
        name=name,
        services=services,
        networks=networks,
        origins={("services", service): Origin("compose.yaml", 10 + n) for n, service in enumerate(sorted(services))},
        **sections,
    )


def application(compose: ComposeProject, key: AppKey = SHOP, **more: object) -> Application:
    return Application(key=key, origin=Origin("compose.yaml", 1), compose=compose, **more)  # type: ignore[arg-type]


def shop(services: Services, **more: Mapping[str, Mapping[str, object]]) -> Application:
    """An application named shop; ``more`` are sections of the model."""
    return application(project(services, **more))


@dataclass(slots=True)
class Ran:
    """What became of a run: nodes in the order in which they were carried out, and how each ended."""

    done: list[Node[steps.EngineStep]] = field(default_factory=list)
    status: dict[int, StepStatus] = field(default_factory=dict)
    errors: list[TrimtabError] = field(default_factory=list)
    stopped: bool = False


@dataclass(slots=True)
class Rig:
    """One World and its planner. ``inventory`` is what a store would know."""

    world: World = field(default_factory=World)
    tree: MemoryTree = field(default_factory=lambda: MemoryTree({}))
    inventory: set[ResourceKey] = field(default_factory=set)

    @property
    def dialect(self) -> EngineDialect:
        return EngineDialect(installation=self.world.installation, seal_key=self.world.seal_key)

    def desired(self, app: Application, revision: str = "r1") -> DesiredState:
        choices: dict[str, ImageChoice] = {}
        for service, definition in app.compose.services.items():
            if definition.get("build"):
                ref = f"trimtab/{service}:{digest(definition['build'])[:12]}"
                choices[service] = ImageChoice(ref=ref, build=definition["build"], build_facts={"context": "."})
            elif definition.get("image"):
                choices[service] = ImageChoice(ref=str(definition["image"]))
        return self.dialect.render(app, self.tree, revision, choices)

    def plan(
        self, app: Application | DesiredState, *, prune: bool = True, ignore: tuple[object, ...] = ()
    ) -> Plan[steps.EngineStep]:
        desired = self.desired(app) if isinstance(app, Application) else app
        refs = sorted({resource.name for resource in desired.of_kind(Kind.IMAGE)})
        observed = self.world.observe(desired.app, images=refs)
        options = DiffOptions(prune=prune, ignore=ignore, known=frozenset(self.inventory))  # type: ignore[arg-type]
        return make_plan(desired, observed, self.dialect, options)

    def nothing(self, key: AppKey = SHOP) -> DesiredState:
        return DesiredState(app=key, revision="r9", resources={}, digest=digest({}))

    def run(
        self,
        plan: Plan[steps.EngineStep],
        app: Application | DesiredState | None = None,
        *,
        choose: Callable[[Sequence[int]], int] = min,
        stop_after: int | None = None,
        effect: bool = True,
    ) -> Ran:
        """Carry out ``plan``, one step at a time, the next one chosen by ``choose``.

        ``stop_after``: the process dies at the step of that number (from 0): after its effect, or before it.
        """
        desired = self.desired(app) if isinstance(app, Application) else app
        base = StepContext(
            tree=self.tree, contents=desired.contents if desired else {}, builds=desired.builds if desired else {}
        )
        graph, ran = Graph(plan.nodes), Ran()
        outputs: dict[int, Mapping[str, str]] = {}
        ready = list(graph.begin().ready)
        while ready:
            number = choose(sorted(ready))
            ready.remove(number)
            node = graph.node(number)
            dies = stop_after is not None and len(ran.done) == stop_after
            if dies and not effect:
                ran.stopped = True
                return ran
            self._watch_removal(node, plan)
            ran.done.append(node)
            context = replace(base, outputs={i: outputs[i] for i in graph.ancestors(number) if i in outputs})
            try:
                outputs[number] = self.world.perform(node.step, context)
            except TrimtabError as error:
                ran.errors.append(error)
                ran.status[number] = StepStatus.FAILED
            else:
                ran.status[number] = StepStatus.SUCCEEDED
            if dies:
                ran.stopped = True
                return ran
            follows = graph.ended([End(number, ran.status[number], started=True)])
            ready += follows.ready
        if not ran.errors:
            self.inventory |= {c.key for c in plan.changes if c.acts and c.verb is not Verb.DELETE}
        return ran

    def _watch_removal(self, node: Node[steps.EngineStep], plan: Plan[steps.EngineStep]) -> None:
        """I6: the container in service is not removed before its replacement was proved."""
        if not isinstance(node.step, steps.RemoveContainer) or not isinstance(node.step.container, steps.Existing):
            return
        change = next(c for c in plan.changes if c.key == node.key)
        if change.verb is not Verb.REPLACE:
            return
        handle = node.step.container.handle
        others = [
            c for c in self.world.of(plan.app) if c.id != handle and self.world.owner(c.labels, c.name) == node.key
        ]
        if handle in self.world.containers and not any(c.proved for c in others):
            self.world.violations.append(f"I6: {node.step.name} was removed before its replacement was proved")

    def converge(self, app: Application | DesiredState, passes: int = 4, **more: object) -> int:
        """Passes until one has nothing to do; how many did something."""
        for count in range(passes):
            plan = self.plan(app)
            if plan.empty:
                return count
            ran = self.run(plan, app, **more)  # type: ignore[arg-type]
            if ran.errors and count == passes - 1:
                raise ran.errors[0]
        plan = self.plan(app)
        assert plan.empty, (
            f"still to do after {passes} passes: {[(c.verb, str(c.key), c.reason, c.fields) for c in plan.changes]}"
        )
        return passes
