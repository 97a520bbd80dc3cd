"""`heliotrope model`: the learned model as a thing that one can look at, keep, put back and go back to."""

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from cli.delivery import Delivery
from cli.errors import UserError
from cli.options import Config, Sets, Target, Workdir, find_target
from cli.output import stdout_console, write_json
from cli.text import visible
from cli.topic_reader import TopicReader
from operators.names import CHANGE_SUFFIX, COMMAND_KEY, MODEL_KEY, key_of_model
from state.choosing.variants import models_of, settings_by_variant
from state.codec import UnreadableError
from state.feature_set import FEATURE_SET, NAMES
from state.model.apprenticeship import share_of_model
from state.model.change import LiveModel
from state.model.drift import DriftState
from state.model.examination import SURE, evidence_for_cascade
from state.model.merger import IncompatibleModelError, ModelConditions, refuse_incompatible, refuse_unusable
from state.model.model_input import Command
from state.model.predictor import Predictor
from state.model.snapshot import SNAPSHOT_MOST_BYTES, Snapshot
from state.model.snapshot_rows import within_limit
from state.model.sums import Sums

model = typer.Typer(no_args_is_help=True, help="The bandit's model: show, export, import, roll back.")
Version = Annotated[int, typer.Argument(help="An archived version, see `heliotrope model show`.")]


Name = Annotated[
    str | None, typer.Option("--model", help="The variant whose model is meant; default: the model of bandit.variant.")
]


@model.command("show")
def show(
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
    name: Name = None,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Show the live model: what it has learned of each feature, and which versions a rollback can go back to."""
    target = find_target(config, sets, workdir)
    live, archived = _read(target, _conditions(target, name))
    snapshot = _live(live)
    users = _users(target, snapshot.variant)
    if as_json:
        write_json(msgspec.json.encode(summary(snapshot, sorted(archived)) | {"variants": users}).decode())
        return
    console = stdout_console()
    console.print(_overview(snapshot, users))
    console.print(_coefficients(snapshot))
    versions = ", ".join(f"{version} ({_moment(version)})" for version in sorted(archived)) or "none yet, one an hour"
    console.print(f"archived: {versions}", soft_wrap=True)


@model.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    version: Annotated[int | None, typer.Option(help="An archived version; default: the live one.")] = None,
    name: Name = None,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Write the live or an archived model to a file."""
    target = find_target(config, sets, workdir)
    live, archived = _read(target, _conditions(target, name))
    snapshot = _live(live) if version is None else _archived(archived, version)
    try:
        file.write_bytes(within_limit(snapshot).encode())
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}: choose another path") from None
    stdout_console().print(f"wrote model {snapshot.model_version} to {file}", soft_wrap=True, markup=False)


@model.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="What `export` wrote.")],
    name: Name = None,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Put a model from a file in place of the live one; the job goes on learning from it."""
    try:
        with file.open("rb") as opened:
            snapshot = Snapshot.decode(opened.read(SNAPSHOT_MOST_BYTES + 1))
        Predictor(snapshot)
    except OSError as error:
        raise UserError(
            f"cannot read {file}: {error.strerror}: name a file that `heliotrope model export` wrote"
        ) from None
    except UnreadableError as error:
        raise UserError(f"{file} is no model: {error}: name a file that `heliotrope model export` wrote") from None
    target = find_target(config, sets, workdir)
    _command(target, _conditions(target, name), "import", snapshot, str(file))
    stdout_console().print(f"asked the job to go on from model {snapshot.model_version}", soft_wrap=True)


@model.command("rollback")
def rollback(
    version: Version, name: Name = None, config: Config = None, sets: Sets = None, workdir: Workdir = None
) -> None:
    """Go back to an archived model; what was learned since is forgotten."""
    target = find_target(config, sets, workdir)
    conditions = _conditions(target, name)
    _, archived = _read(target, conditions)
    snapshot = _archived(archived, version)
    _command(target, conditions, "rollback", snapshot, f"the archived model {version}")
    stdout_console().print(f"asked the job to go back to model {version} ({_moment(version)})", soft_wrap=True)


def summary(snapshot: Snapshot, archived: list[int]) -> dict[str, Any]:
    """Return a snapshot for programs; coefficients by feature where the feature set is this release's."""
    predictor, sums = Predictor(snapshot), Sums.decode(snapshot.sums)
    names = NAMES if snapshot.feature_set == FEATURE_SET else tuple(map(str, range(len(predictor.theta))))
    return {
        "model_version": snapshot.model_version,
        "feature_set": snapshot.feature_set,
        "variant": snapshot.variant,
        "form": snapshot.form,
        "half_life_ms": sums.half_life_ms,
        "exposures": predictor.posterior.weight,
        "mean_reward": predictor.posterior.mean_reward,
        "refused": sums.refused,
        "watched": [msgspec.structs.asdict(each) for each in snapshot.watched],
        "products": len(snapshot.product_ids),
        "products_by_region": len(snapshot.cells),
        "examination": snapshot.examination,
        "evidence_for_cascade": evidence_for_cascade(sums, snapshot.model_version),
        "lead": predictor.lead,
        "apprentice_share": share_of_model(predictor.lead),
        "compared": (sums.fade(snapshot.model_version) * sums.compared).tolist(),
        "coefficients": dict(zip(names, predictor.theta.tolist(), strict=True)),
        "archived": archived,
    }


def _overview(snapshot: Snapshot, users: dict[str, str]) -> Table:
    found = summary(snapshot, [])
    table = Table.grid(padding=(0, 2))
    half_life = "never forgets" if found["half_life_ms"] is None else f"{found['half_life_ms'] / 3_600_000:g} h"
    for name, value in (
        ("model", f"{snapshot.model_version} ({_moment(snapshot.model_version)})"),
        ("variants that choose by it", ", ".join(f"{variant} ({policy})" for variant, policy in users.items())),
        ("form", "one model for all products" if snapshot.form == "shared" else "a model for each product"),
        ("feature set", snapshot.feature_set),
        ("exposures learned", f"{found['exposures']:,.0f}"),
        ("mean reward", f"{found['mean_reward']:.4f}"),
        ("products with own rates", f"{found['products']:,}"),
        ("products counted by region", f"{found['products_by_region']:,}"),
        ("exposures below a last click", _examination(found["examination"], found["evidence_for_cascade"])),
        *((("beside the shop's own order", _apprenticeship(found)),) if any(map(any, found["compared"])) else ()),
        ("half-life", half_life),
        ("examples refused", f"{found['refused']:,}"),
        *((f"drift in {each.variant}", _drift(each)) for each in snapshot.watched),
    ):
        table.add_row(escape(visible(name)), escape(visible(str(value))))
    return table


def _examination(examination: str, evidence: float) -> str:
    """What is learned of exposures that visitors may not have looked at."""
    how = "are not learned (cascade)" if examination == "cascade" else "are learned as all others"
    return f"{how}; log of the evidence that they are not looked at: {evidence:+,.1f} ({SURE:g} decides)"


def _apprenticeship(found: dict[str, Any]) -> str:
    """How the model's items do beside those of the shop's own order."""
    (followed, earned), (chosen, earned_by_model) = found["compared"]
    ours = f"{earned_by_model / max(1.0, chosen):.4f} for each of {chosen:,.0f} exposures of the model's"
    theirs = f"{earned / max(1.0, followed):.4f} for each of {followed:,.0f} of the order's"
    share = f"a lead of {found['lead']:+.1f} standard errors, {found['apprentice_share']:.0%} of the places"
    return f"{ours}, {theirs}; {share}"


def _drift(watched: DriftState) -> str:
    mean, seen = f"mean reward {watched.mean:.4f}", f"{watched.exposures:,} closed exposures"
    if not watched.drifts:
        return f"none found in {seen}, {mean}"
    last = _moment(watched.drifted_at_ms)
    return f"{watched.drifts} found in {seen}, {watched.falls} of them falls, the last at {last}; {mean} since"


def _coefficients(snapshot: Snapshot) -> Table:
    table = Table("feature", "coefficient", "± s.d.", title="what the features are worth")
    predictor = Predictor(snapshot)
    spread = (predictor.posterior.noise * (predictor.posterior.whitener**2).sum(axis=1)) ** 0.5
    names = summary(snapshot, [])["coefficients"]
    for name, value, deviation in zip(names, predictor.theta.tolist(), spread.tolist(), strict=True):
        table.add_row(escape(visible(name)), f"{value:+.4f}", f"{deviation:.4f}")
    return table


def _conditions(target: Target, name: str | None) -> ModelConditions:
    """The conditions of a variant's model."""
    models = models_of(target.settings)
    variant = target.settings.bandit.variant if name is None else name
    if variant not in models:
        raise UserError(f"there is no variant {variant}: choose one of {', '.join(models)}")
    return models[variant]


def _users(target: Target, model_name: str) -> dict[str, str]:
    """The policies of the variants that choose by a model, by variant."""
    own = settings_by_variant(target.settings)
    return {
        v: own[v].bandit.policy
        for v, conditions in models_of(target.settings).items()
        if conditions.variant == model_name
    }


def _read(target: Target, conditions: ModelConditions) -> tuple[Snapshot | None, dict[int, bytes]]:
    """The live snapshot and the archived ones' bytes by version, as the topic's newest records have them."""
    newest: dict[bytes, bytes | None] = {}
    with TopicReader(target, target.settings.kafka.topics.bandit_model) as reader:
        for batch in reader.to_end():
            newest.update({record.key: record.value for record in batch if record.key is not None})
    live_key = key_of_model(MODEL_KEY, conditions.variant, target.settings.bandit.variant)
    live, prefix = LiveModel(), live_key + b"@"
    try:
        for key in (live_key, live_key + CHANGE_SUFFIX):
            value = newest.get(key)
            if value is not None:
                live.apply(value)
        archived = {
            int(key.removeprefix(prefix)): value
            for key, value in newest.items()
            if key.startswith(prefix) and key.removeprefix(prefix).isdigit() and value is not None
        }
        return live.newest, archived
    except UnreadableError as error:
        raise UserError(
            f"the topic's newest model is refused ({error}): the job stays with the one before, and will publish that anew"
        ) from None


def _live(snapshot: Snapshot | None) -> Snapshot:
    if snapshot is None:
        raise UserError("no model has been published yet: it comes with the first impressions that the job learns from")
    return snapshot


def _archived(archived: dict[int, bytes], version: int) -> Snapshot:
    if version not in archived:
        known = ", ".join(map(str, sorted(archived))) or "none"
        raise UserError(f"version {version} is not in the archive: choose one of {known}")
    try:
        return Snapshot.decode(archived[version])
    except UnreadableError as error:
        raise UserError(f"the archived model {version} is refused: {error}: choose another version") from None


def _command(target: Target, conditions: ModelConditions, action: Any, snapshot: Snapshot, name: str) -> None:
    """Sends a command that the job will take: what it would refuse is refused here, with the reason."""
    now_ms = int(time.time() * 1_000)
    try:
        refuse_incompatible(snapshot, conditions)
        refuse_unusable(snapshot, conditions, now_ms)
    except IncompatibleModelError as error:
        raise UserError(f"{error}: use the settings that it was learned under") from None
    except UnreadableError as error:
        raise UserError(f"{name} is refused: {error}: choose another; the live model stays") from None
    command = Command(action, now_ms, snapshot.encode())
    key = key_of_model(COMMAND_KEY, conditions.variant, target.settings.bandit.variant)
    with Delivery(target) as delivery:
        delivery.send(target.settings.kafka.topics.bandit_model, command.encode(), key)
        delivery.flush()


def _moment(version_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(version_ms / 1_000))
