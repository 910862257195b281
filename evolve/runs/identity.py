"""What makes two runs the same: their settings, and the digests of suite and scaffold, wherever those are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evolve.core.config import LOCAL, OTHER_MODELS, PLACES, RATES, AskedModel, Difference, ModelFacts, RunConfig
from evolve.core.errors import BadInput
from evolve.core.task_format import NetworkMode, VerifierMode, widest_network
from evolve.runs.repository import places_of, scaffold_digest
from evolve.runs.stored_config import MEASUREMENT, NETWORKS, is_measurement, stored, stored_config, stored_values
from evolve.runs.stored_suite import suite_of_config
from evolve.store import RunRow, Store
from evolve.suite.bundled import or_bundled
from evolve.suite.tasks import Suite

DIGESTS = ("suite_digest", "scaffold_digest", "suite_profile", "suite_verifiers", NETWORKS, MEASUREMENT)
# In the folder of a run that came in a pack.
PACKED_SUITE = "suite"
PRICES = ("prompt_price", "completion_price", "cached_price", "cache_write_price")
# What a model's terms name as the source of a price that is a setting.
GIVEN_PRICE = "given with the command"


def identity(
    config: RunConfig, suite: Suite, scaffold_digest: str, measurement: Mapping[str, Any] | None = None
) -> str:
    """The config as it is stored: with the digests of suite and scaffold, and the suite's profile.

    Where tests run in a weaker way than in a container of their own, the verifier modes are there too, and where tasks
    have a network, in how many each is the widest one.
    """
    values = json.loads(config.canonical())
    values |= {"suite_digest": suite.digest, "scaffold_digest": scaffold_digest, "suite_profile": str(suite.profile)}
    if weaker := sorted({task.verifier for task in suite.tasks} - {VerifierMode.ISOLATED}):
        values["suite_verifiers"] = weaker
    if config.network and (networks := _networks(suite)):
        values[NETWORKS] = networks
    if measurement:
        values[MEASUREMENT] = dict(measurement)
    return json.dumps(values, sort_keys=True)


def _networks(suite: Suite) -> dict[NetworkMode, int]:
    """In how many tasks each mode is the widest one, apart from no network."""
    widest = Counter(widest_network(task.format, task.sandbox.network) for task in suite.tasks)
    return {mode: count for mode, count in widest.items() if mode is not NetworkMode.NONE}


def continued_config(stored: RunConfig, asked: RunConfig) -> RunConfig:
    """A stored config, with what each start sets anew.

    That is where suite and scaffold are, the limits per minute, and the port of a local model.
    """
    values: dict[str, Any] = {key: getattr(asked, key) for key in PLACES}
    values |= _set_anew(stored, asked)
    for name in OTHER_MODELS:
        began, now = getattr(stored, name), getattr(asked, name)
        if began and now:
            values[name] = began.model_copy(update=_set_anew(began, now))
    return stored.model_copy(update=values)


def _set_anew(stored: RunConfig | AskedModel, asked: RunConfig | AskedModel) -> dict[str, Any]:
    """Of one model."""
    is_local = stored.facts.profile == asked.facts.profile == LOCAL
    return {
        "facts": with_rates(stored.facts, asked.facts),
        "base_url": asked.base_url if is_local else stored.base_url,
    }


def with_rates(facts: ModelFacts, source: ModelFacts) -> ModelFacts:
    """The facts with the limits per minute of others."""
    return facts.model_copy(update={name: getattr(source, name) for name in RATES})


def resumed_config(row: RunRow, given: Mapping[str, Any], runs: Path) -> RunConfig:
    """The config of a stored run, with the given settings in place of the stored ones: none of them may differ.

    given: by field of `RunConfig`; of a table only the given keys. Where suite and scaffold are is found out, if it is
    not given. Raises BadInput where a suite or a scaffold is given that is another one than the run's.
    """
    values = stored_config(row).model_dump()
    for key, value in given.items():
        values[key] = values[key] | value if isinstance(value, dict) and isinstance(values[key], dict) else value
    values["suite"] = given.get("suite") or suite_of(row, runs)
    values["scaffold"] = _same_scaffold(row, given["scaffold"], runs) if "scaffold" in given else scaffold_of(row, runs)
    return RunConfig.model_validate(values)


def suite_of(row: RunRow, runs: Path) -> Path:
    """The folder with the run's suite: the first of the possible ones whose digest agrees, else one that is there.

    A run that came in a pack has its suite in its own folder. Raises BadInput if there is none.
    """
    places = (packed_suite(runs, row.id, row.suite), *places_of(row.suite, runs), or_bundled(Path(row.suite)))
    there = [folder for folder in places if folder.is_dir()]
    if not there:
        raise BadInput(f"run {row.id}", f"its suite {row.suite} is missing", "name its folder with --suite")
    others = [folder for folder in there if folder.resolve() != there[0].resolve()]
    if not others:
        return there[0]
    return next((folder for folder in there if _is_suite(folder, row)), there[0])


def packed_suite(runs: Path, run: str, suite: str) -> Path:
    """Where the suite of a run is that came in a pack. `suite`: the folder that the run began with."""
    return runs / run / PACKED_SUITE / Path(suite).name


def suite_of_run(row: RunRow, runs: Path) -> Suite:
    """The run's suite as its files are now, read as when the run began. Raises BadInput if they have changed."""
    suite = _suite_in(suite_of(row, runs), row)
    if problem := suite_differences(suite, row):
        raise BadInput(f"run {row.id}", problem, "restore them as they were")
    return suite


def _suite_in(folder: Path, row: RunRow) -> Suite:
    config = stored_config(row).model_copy(update={"suite": folder})
    return suite_of_config(config, stored(row, "suite_digest"))


def _is_suite(folder: Path, row: RunRow) -> bool:
    try:
        return not suite_differences(_suite_in(folder, row), row)
    except BadInput:
        return False


def scaffold_of(row: RunRow, runs: Path) -> Path:
    """The folder of the run's scaffold, which may be missing: the run's commits have all its files."""
    return next((folder for folder in places_of(row.scaffold, runs) if folder.is_dir()), Path(row.scaffold))


def _same_scaffold(row: RunRow, given: Path, runs: Path) -> Path:
    """The given folder: the one that the run began with, whatever is in it now, or one with the same files."""
    if any(given.resolve() == folder.resolve() for folder in places_of(row.scaffold, runs)):
        return given
    is_there = or_bundled(given).is_dir()
    if is_there and scaffold_digest(given, Path(row.suite), runs) == stored(row, "scaffold_digest"):
        return given
    raise BadInput(
        "scaffold",
        f"run {row.id} began with {row.scaffold}, and {given} has other files",
        "leave it out, or use --run new",
    )


def check_same(config: RunConfig, suite: Suite, row: RunRow) -> None:
    """Raise BadInput unless a run that began with the row's settings may be resumed with these."""
    if found := differences(config, row):
        first = min(found, key=lambda one: not one.key.endswith("model"))
        problem = f"run {row.id} has {_shown(first.stored)}, not {_shown(first.given)}"
        raise BadInput(first.key, problem, "leave it out, or start another run with --run new")
    if problem := suite_differences(suite, row):
        raise BadInput(f"run {row.id}", problem, "restore the suite's files, or start another run with --run new")


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)


def differences(config: RunConfig, row: RunRow) -> list[Difference]:
    """In which settings a config differs from the one that a run began with."""
    values = {key: value for key, value in stored_values(row).items() if key not in DIGESTS}
    return config.differences(json.dumps(values))


def suite_differences(suite: Suite, row: RunRow) -> str:
    """Why a suite is not the run's; "" if it is."""
    return "" if stored(row, "suite_digest") == suite.digest else "the files of its suite have changed"


def began_alike(config: RunConfig, suite: Suite, runs: Path, row: RunRow) -> bool:
    """Whether a run began with these settings, this suite and this scaffold. A profile's prices may have changed."""
    changed = [difference for difference in differences(config, row) if not _is_listed_price(difference.key, config)]
    if changed or suite_differences(suite, row):
        return False
    return bool(stored(row, "scaffold_digest") == scaffold_digest(config.scaffold, config.suite, runs))


def _is_listed_price(key: str, config: RunConfig) -> bool:
    """Whether a key of the config is a price that its profile lists: a run keeps those that it began with."""
    model, _, name = key.rpartition(".")
    other = getattr(config, model) if model in OTHER_MODELS else None
    terms = other.terms if other else config.terms
    return name in PRICES and terms.price_source != GIVEN_PRICE


def run_to_resume(config: RunConfig, suite: Suite, runs: Path, store: Store) -> RunRow | None:
    """The newest run, if it began alike and has not ended; otherwise None."""
    latest = next((row for row in store.runs() if not is_measurement(row)), None)
    is_open = latest is not None and not store.ends(latest.id) and began_alike(config, suite, runs, latest)
    return latest if is_open else None
