"""What the soak commits: the same for the same seed, and such that a good commit is carried out as it is meant."""

from __future__ import annotations

from random import Random

from tests.soak.wanted import App, Release, change, expected, first
from tests.support.memory_tree import MemoryTree
from trimtab.manifest.load import load


def new_release(random: Random, app: str) -> Release:
    if random.random() < 0.5:
        return Release(image=f"127.0.0.1:5000/soak:rolling{app[-2:]}", rolling=True)
    release = f"v{random.randint(1, 9)}"
    return Release(image=f"127.0.0.1:5000/soak:{release}", release=release)


def story(seed: str, commits: int) -> list[tuple[list[App], str]]:
    random = Random(seed)
    apps = first(["shop-a", "shop-b"], random)
    told = [(apps, "first")]
    for _ in range(commits):
        good = [apps for apps, _ in told if all(app.good for app in apps)][-1]
        told.append(change(good, random, new_release))
    return told


def test_the_same_seed_tells_the_same_story() -> None:
    assert story("7", 40) == story("7", 40)
    assert story("7", 40) != story("8", 40)


def test_every_good_commit_loads_and_says_what_is_expected() -> None:
    for apps, message in story("3", 40):
        tree = MemoryTree({f"{app.name}/compose.yaml": app.text() for app in apps})
        result = load(tree, default_name="x")
        if not all(app.readable for app in apps):
            assert len(result.failed) == 1, message
            continue
        assert result.failed == (), (message, result.diagnostics)
        found = {
            f"{app.key.name}-{service}-{replica}"
            for app in result.applications
            for service, definition in app.compose.services.items()
            for replica in range(1, int(str(definition["deploy"]["replicas"])) + 1)  # type: ignore[index]
        }
        assert found == set(expected(apps)), message
