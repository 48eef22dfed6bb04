"""The command line: `scenewatch COMMAND`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from monitor import logs
from monitor.config import Camera, Config, Models
from monitor.configfile import load
from monitor.errors import ConfigError, ScenewatchError
from workers.stage import Stage

app = App(name="scenewatch", help="Cameras' pictures, sound and speech become explained alerts.", version_flags=["--version"])

ConfigFiles = Annotated[Sequence[Path], Parameter(negative=(), help="YAML files, later ones over earlier ones.")]
Moment = Annotated[str, Parameter(allow_leading_hyphen=True)]
JsonFile = Annotated[Path | None, Parameter(name="--json", help="Write the figures there.")]
Data = Annotated[Path, Parameter(name="--data", env_var="SCENEWATCH_DATA", help="The folder of real data.")]
DATA = Path("../shared/data")
FIGURES = Path(__file__).parent.parent / "docs" / "figures"
WEIGHTS = Path("monitor/weights")


@app.command
def demo(
    *,
    video: Annotated[Path | None, Parameter(help="Watch this file instead of a scene of our own.")] = None,
    seed: Annotated[int, Parameter(help="Which scene is rendered.")] = 1,
    live: Annotated[bool, Parameter(help="Play it at real time, not as quickly as it goes.", negative=())] = False,
    keep: Annotated[Path | None, Parameter(help="Keep the rendered scene and the alerts in this folder.")] = None,
) -> int:
    """Watch a scene become alerts, and say what should have been found and what was; exit status 1 if they differ."""
    from workers import demo  # noqa: PLC0415 (commands load what they need, so that --help and check are quick)

    return asyncio.run(demo.video(video) if video else demo.planted(seed, fast=not live, keep=keep))


@app.command
def run(
    what: Annotated[list[str], Parameter(help="Configuration files (.yaml), or one video: a file, folder, device or URL.", negative=())],
    *,
    fast: Annotated[bool, Parameter(help="Files as quickly as the stages keep up; the same alerts.", negative=())] = False,
) -> int:
    """Run every stage in one process: from cameras to alerts. Ends with its files, or on Ctrl-C."""
    from workers import local  # noqa: PLC0415

    paths = [Path(item) for item in what if item.endswith((".yaml", ".yml"))]
    config = load(paths) if len(paths) == len(what) else with_source(load(paths), what, paths)
    return asyncio.run(local.main(config, paths, fast=fast))


def with_source(config: Config, what: Sequence[str], paths: Sequence[Path]) -> Config:
    """Add the sources that stand on the command line as cameras, named after their files."""
    sources = [item for item in what if Path(item) not in paths]
    cameras = {f"camera-{n}" if "://" in source else _name(source): Camera(source=source) for n, source in enumerate(sources, 1)}
    return Config.model_validate(config.model_dump() | {"cameras": dict(config.cameras) | cameras})


def _name(source: str) -> str:
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in Path(source).stem)
    return stem.lstrip("_.-")[:63] or "camera"


@app.command
def worker(
    stage: Stage,
    *,
    config: ConfigFiles,
    instance: Annotated[
        str | None, Parameter(help="A lasting name: restarted with it, a process goes on at once; a second one waits as its spare.")
    ] = None,
) -> int:
    """Run one stage as a process of its own; needs a kafka:// bus."""
    from workers import local  # noqa: PLC0415

    return asyncio.run(local.one(stage, load(config), config, instance))


@app.command
def observe(
    *,
    film: Annotated[Path | None, Parameter(help="Play this to both cameras instead of scenes of our own.")] = None,
    prometheus: Annotated[int | None, Parameter(help="Its port; left out, 9090 or a free one.")] = None,
    alertmanager: Annotated[int | None, Parameter(help="Its port; left out, 9093 or a free one.")] = None,
    metrics: Annotated[int | None, Parameter(help="The port of our own metrics; left out, 9108 or a free one.")] = None,
    keep: Annotated[Path | None, Parameter(help="Keep logs, alerts and Prometheus' data in this folder.")] = None,
) -> int:
    """Watch two live cameras with Prometheus and Alertmanager beside it, all on this machine's loopback, until Ctrl-C."""
    from workers import observe  # noqa: PLC0415

    return observe.observe(observe.Ports(prometheus=prometheus, alertmanager=alertmanager, metrics=metrics), film, keep)


@app.command
def check(
    config: ConfigFiles = (),
    *,
    keys: Annotated[
        bool, Parameter(help="Print the JSON Schema: every key there is, with its default, bounds and meaning.", negative=())
    ] = False,
) -> int:
    """Check configuration files: names file, line and key of a mistake."""
    if keys:
        from workers import configured  # noqa: PLC0415

        sys.stdout.write(configured.written())
        return 0
    if not config:
        raise ConfigError("check: no file is named: scenewatch check FILE …, or --keys for every key there is")
    checked = load(config)
    sys.stdout.write(f"good: {len(checked.cameras)} cameras, {len(checked.sinks)} sinks, bus {checked.bus.split('://')[0]}\n")
    return 0


@app.command
def topics(
    config: ConfigFiles,
    *,
    mend: Annotated[bool, Parameter(help="Create, enlarge and set what differs. Stop the workers first.", negative=())] = False,
) -> int:
    """Show Kafka's topics beside what they should be; exit status 1 if workers would refuse to start."""
    from workers import topics  # noqa: PLC0415

    return asyncio.run(topics.show(load(config), mend=mend))


@app.command
def evidence(
    config: ConfigFiles,
    *,
    alert: Annotated[Path, Parameter(help="A file of alerts, one a line, as the jsonl sink writes it.")],
    to: Annotated[str, Parameter(help="A folder, or s3://bucket/folder.")],
) -> int:
    """Write the film, the pictures and the event of each alert in a file, from what Kafka still has."""
    from workers import evidence  # noqa: PLC0415

    logs.configure("info", json=False)
    return asyncio.run(evidence.write(load(config), alert, to))


@app.command
def replay(
    config: ConfigFiles,
    /,
    *,
    since: Annotated[Moment, Parameter(name="--from", help="When it was captured: 2026-11-23T10:15:00Z, seconds since the epoch, -15m.")],
    to: Annotated[Moment, Parameter(help="Until when.")] = "now",
    under: Annotated[list[Path] | None, Parameter(name="--config", help="Lay these over the configuration.", negative=())] = None,
    warm_up: Annotated[str, Parameter(help="So much from before is seen too: 10m.")] = "0s",
    out_prefix: Annotated[str, Parameter(help="Write the alerts to a topic of the same bus: replay. is for …replay.alerts.")] = "",
    out: Annotated[Path | None, Parameter(help="Write the alerts into this file.")] = None,
    json: Annotated[Path | None, Parameter(help="Write the differences there.")] = None,
) -> int:
    """Run what was recorded through the stages again, and compare the alerts; exit status 1 if they differ."""
    from time import time  # noqa: PLC0415

    from monitor.archive import Span  # noqa: PLC0415
    from monitor.times import duration, moment  # noqa: PLC0415
    from workers import replay  # noqa: PLC0415

    now = time()
    return asyncio.run(
        replay.main(
            replay.Order(
                recorded=load(config),
                under=load([*config, *(under or ())]),
                span=Span(moment(since, now), moment(to, now)),
                warm_up_s=duration(warm_up),
                prefix=out_prefix,
                out=out,
                report=json,
            )
        )
    )


@app.command
def models(
    *names: Annotated[str, Parameter(help="These alone.")],
    fetch: Annotated[bool, Parameter(help="First fetch the weights of no installed package, where they are missing.", negative=())] = False,
    warm: Annotated[bool, Parameter(help="Then load all as the stages do: what is converted once is in the cache.", negative=())] = False,
) -> int:
    """List the models, where each comes from, and whether it is installed and genuine; exit status 1 if one is not."""
    from workers import listing  # noqa: PLC0415

    return listing.models(names, fetch=fetch, warm=warm)


@app.command
def scene(
    film: Annotated[Path, Parameter(help="An .mp4 (H.264, AAC); one that is there already is left as it is.")],
    *,
    seed: Annotated[int, Parameter(help="Which scene is rendered.")] = 1,
) -> int:
    """Render the demo's scene as a film for a synthetic camera; what happens in it is written beside it, as .json."""
    from workers import demo  # noqa: PLC0415

    demo.keep_film(film, seed)
    return 0


@app.command(name="eval")
def evaluate(
    name: Annotated[str, Parameter(help="Which: speech, normality, …, or all.")],
    *,
    data: Data = DATA,
    of: Annotated[str, Parameter(name="--set", help="One set of the data, such as vad/ucsd_ped2.")] = "",
    models: Annotated[
        Literal["default", "research", "clips"], Parameter(help="incidents: which fusion network; see train --set.")
    ] = "default",
    json: JsonFile = None,
    page: Annotated[Path, Parameter(help="all: write the table there.")] = Path("docs/accuracy.md"),
) -> int:
    """Measure how good it is, on real data; `all` also writes docs/accuracy.md."""
    from workers.evaluate import Task, everything, run  # noqa: PLC0415
    from workers.report import publish  # noqa: PLC0415

    logs.configure("warning", json=False)
    task = Task(data=data, of=of, config=Config(models=Models(fusion=f"fusion-{models}")))
    publish(everything(task, page if page.parent.is_dir() else None) if name == "all" else run(name, task), json)
    return 0


@app.command
def bench(
    name: Literal["stages", "more", "cameras", "bus", "chaos", "scrape", "sizing"],
    *,
    data: Data = DATA,
    json: JsonFile = None,
    cameras: Annotated[int, Parameter(help="chaos: so many.", validator=Number(gte=1))] = 8,
    kills: Annotated[int, Parameter(help="chaos: of each stage.", validator=Number(gte=1))] = 4,
    rows: Annotated[
        list[str] | None, Parameter(help="chaos: these alone, beside the calm one; others stay as --json has them.", negative=())
    ] = None,
    page: Annotated[Path | None, Parameter(help="chaos, sizing: write the table there.")] = None,
) -> int:
    """Measure how fast it is, on this machine.

    `more`: what `size` needs beside `stages`; `chaos`: what is lost when something breaks; `sizing`: clusters, simulated.
    """
    from workers import bench  # noqa: PLC0415
    from workers.report import figures, publish  # noqa: PLC0415

    logs.configure("error" if name in ("bus", "chaos") else "warning", json=False)
    if name == "chaos":
        from workers.bench.chaos import measure  # noqa: PLC0415

        order = measure.Order(data=data, cameras=cameras, kills=kills, rows=rows or (), page=page, before=figures(json))
        publish(measure.measure(order), json)
    elif name == "sizing":
        from workers.bench import sizing  # noqa: PLC0415

        publish(sizing.measure(FIGURES, page), json)
    else:
        publish(bench.run(name, data), json)
    return 0


@app.command
def size(
    *,
    cameras: Annotated[int, Parameter(validator=Number(gte=1))],
    fps: Annotated[float, Parameter(help="Pictures a second that are analysed.", validator=Number(gt=0, lte=30))] = 2.0,
    sound: Annotated[bool, Parameter(help="Listen to them.")] = True,
    speech: Annotated[float, Parameter(help="The share of the time in which somebody speaks.", validator=Number(gte=0, lte=1))] = 0.5,
    things: Annotated[bool, Parameter(help="Look for people and things.")] = True,
    tone: Annotated[bool, Parameter(help="Hear how it is said.")] = True,
    decode: Annotated[Literal["reference", "key"], Parameter(help="Which frames of a stream are decoded.")] = "reference",
    machine_cores: Annotated[int, Parameter(help="Of each machine.", validator=Number(gte=1))] = 8,
    load: Annotated[float, Parameter(help="So busy may processors be on the average.", validator=Number(gt=0, lte=1))] = 0.6,
    replication: Annotated[int, Parameter(help="Copies of every record.", validator=Number(gte=1, lte=10))] = 3,
    media_minutes: Annotated[float, Parameter(help="So long Kafka keeps pictures and sound.", validator=Number(gte=1))] = 60.0,
    embeddings_days: Annotated[float, Parameter(help="So long it keeps what the encoders saw and heard.", validator=Number(gt=0))] = 7.0,
    text_days: Annotated[float, Parameter(help="So long scores and transcripts.", validator=Number(gt=0))] = 7.0,
    figures: Annotated[Path, Parameter(help="Where `bench stages`, `more` and `bus` wrote theirs.")] = FIGURES,
    json: Annotated[Path | None, Parameter(help="Write it all there.")] = None,
) -> int:
    """Say what so many cameras need: processors, processes, partitions, brokers, disks, network; from measured costs."""
    from monitor.sizing import Demand, Site  # noqa: PLC0415
    from workers import size  # noqa: PLC0415

    demand = Demand(cameras=cameras, fps=fps, sound=sound, speech=speech if sound else 0.0, things=things, tone=tone, decode=decode)
    site = Site(
        machine_cores=machine_cores,
        load=load,
        replication=replication,
        media_minutes=media_minutes,
        embeddings_days=embeddings_days,
        text_days=text_days,
    )
    return size.size(demand, site, figures, json)


@app.command
def features(
    *,
    data: Data = DATA,
    of: Annotated[str, Parameter(name="--set", help="One folder of the data, such as vad/ucsd_ped2.")] = "",
    out: Annotated[Path | None, Parameter(help="Keep them there, not in the cache folder's features.")] = None,
    config: ConfigFiles | None = None,
) -> int:
    """Run capture, transcribe and encode over a data folder, and keep what they make; goes on where it was interrupted."""
    from workers import features  # noqa: PLC0415

    logs.configure("warning", json=False)
    return features.features(data, of, out, load(config or []))


@app.command
def train(
    *,
    data: Data = DATA,
    out: Annotated[Path | None, Parameter(help="Left out: monitor/weights; for research and clips, the cache folder.")] = None,
    of: Annotated[
        Literal["default", "research", "clips"],
        Parameter(
            name="--set",
            help="default: by composed streams of what may be shipped; research: of all data whatever its licence; clips: by single clips.",
        ),
    ] = "default",
    config: Annotated[
        Path | None, Parameter(help="YAML: how it is taught (workers/training/settings.py); then a run card is written too.")
    ] = None,
    seed: Annotated[int | None, Parameter(help="Instead of the configuration's.")] = None,
    feedback: Annotated[
        Path | None, Parameter(help="A file of verdicts (alerts.feedback): the windows that they speak of teach, too.")
    ] = None,
    streams: Annotated[
        int, Parameter(help="So many composed streams of five minutes teach, and as many calibrate.", validator=Number(gte=2))
    ] = 12,
    only: Annotated[
        Literal["fusion", "heads", "moving"], Parameter(help="heads: tone, intent, sounds; moving: fights, by composed streams.")
    ] = "fusion",
    json: JsonFile = None,
) -> int:
    """Train the fusion network, or the heads beside it, on the rows whose licence lets weights be shipped; or a set for research."""
    from workers.report import publish  # noqa: PLC0415

    if only == "heads":
        from workers.training import heads  # noqa: PLC0415

        publish(heads.train_heads(data, out or WEIGHTS, seed or 0), json)
        return 0
    if only == "moving":
        from workers.training import movement  # noqa: PLC0415

        logs.configure("warning", json=False)
        publish(movement.train_moving(data, out or WEIGHTS), json)
        return 0
    from monitor.models import weights_folder  # noqa: PLC0415
    from workers.training.settings import OfClips, Training, read  # noqa: PLC0415

    folder = out or (WEIGHTS if of == "default" else weights_folder())
    if of == "clips":
        from workers import train  # noqa: PLC0415

        publish(train.train(data, folder, read(OfClips, config, seed), run=config is not None, feedback=feedback), json)
        return 0
    from workers.training import streamed  # noqa: PLC0415

    logs.configure("warning", json=False)
    extent, told = streamed.Extent(streams=streams), read(Training, config, seed)
    publish(streamed.train(data, streamed.SETS[of], folder, told, extent=extent, run=config is not None, feedback=feedback), json)
    return 0


@app.command
def compose(
    *,
    out: Path,
    data: Data = DATA,
    seed: int = 1,
    split: Literal["train", "val", "test"] = "test",
    minutes: Annotated[float, Parameter(help="Of each stream.", validator=Number(gte=0.5))] = 6.0,
    streams: Annotated[int, Parameter(validator=Number(gte=1))] = 2,
    night: Annotated[bool, Parameter(help="The same, filmed at night.", negative=())] = False,
    shippable: Annotated[bool, Parameter(help="Only of clips whose licence lets weights be shipped.", negative=())] = False,
) -> int:
    """Compose films of real clips in which it is known what happens when; every second one has no incident."""
    from rich.progress import track  # noqa: PLC0415

    from workers.composing import films  # noqa: PLC0415
    from workers.composing.sources import Split  # noqa: PLC0415

    order = films.Order(
        data=data, out=out, split=Split(split), seed=seed, minutes=minutes, streams=streams, night=night, shippable=shippable
    )
    for film in films.compose(order, track):
        sys.stdout.write(f"{film}\n")
    return 0


@app.command
def calibrate(
    *,
    data: Data = DATA,
    out: Path = Path("monitor/weights"),
    streams: Annotated[int, Parameter(help="Of five minutes each.", validator=Number(gte=2))] = 12,
    json: JsonFile = None,
) -> int:
    """Fit one anomaly probability to the kinds', on composed streams of clips whose licence lets weights be shipped."""
    from workers.composing import fitting  # noqa: PLC0415
    from workers.report import publish  # noqa: PLC0415

    logs.configure("warning", json=False)
    publish(fitting.calibrate(data, out, Config(), shippable=True, streams=streams), json)
    return 0


@app.command
def feedback(
    *said: Annotated[str, Parameter(help='[ALERT_ID] right, "not an anomaly", or missed.')],
    config: ConfigFiles,
    camera: Annotated[str, Parameter(help="Of which camera, where no alert is named.")] = "",
    at: Annotated[Moment, Parameter(help="When: 2026-11-23T10:15:00Z, seconds since the epoch, -15m.")] = "",
    kind: Annotated[str, Parameter(help="Of incident.")] = "",
) -> int:
    """Say that an alert was right, no anomaly, or missed: thresholds follow on the next hour, and it is kept for training."""
    from workers import feedback  # noqa: PLC0415

    return feedback.give(load(config), said or ("",), camera, at, kind)


@app.command(name="keys")
def write_keys(page: Path = Path("docs/configuration.md"), schema: Path = Path("docs/schema/config.schema.json")) -> int:
    """Write the page that lists every key of the configuration, and its JSON Schema, generated from the code."""
    from workers import configured  # noqa: PLC0415

    for path in (page, schema):
        path.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(configured.page(), "utf-8")
    schema.write_text(configured.written(), "utf-8")
    return 0


@app.command(name="metrics")
def write_metrics(page: Path = Path("docs/metrics.md")) -> int:
    """Write the page that lists every metric, generated from the code."""
    from workers import exposed  # noqa: PLC0415

    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(exposed.page(), "utf-8")
    return 0


@app.command
def shadow(
    config: ConfigFiles,
    /,
    *,
    since: Annotated[Moment, Parameter(name="--from", help="When it was judged: 2026-11-23T10:15:00Z, seconds since the epoch, -7d.")],
    to: Annotated[Moment, Parameter(help="Until when.")] = "now",
    json: Annotated[Path | None, Parameter(help="Write the table there.")] = None,
) -> int:
    """Compare the network with the candidate of models.shadow: the alarms that either would have raised, and what people said."""
    from time import time  # noqa: PLC0415

    from monitor.archive import Span  # noqa: PLC0415
    from monitor.times import moment  # noqa: PLC0415
    from workers import shadow  # noqa: PLC0415

    now = time()
    logs.configure("warning", json=False)
    return asyncio.run(shadow.report(load(config), Span(moment(since, now), moment(to, now)), json))


@app.command
def promote(
    name: Annotated[str, Parameter(help="Of the registry, or a path of weights that were trained here; left out, models.shadow.")] = "",
    *,
    config: ConfigFiles,
    to: Annotated[Path, Parameter(help="The folder that keeps promoted weights.")] = Path("promoted"),
) -> int:
    """Make a candidate the default: its weights are copied by their hash, and promoted.yaml is to be laid over the configuration."""
    from workers import shadow  # noqa: PLC0415

    settings = load(config)
    if not (name or settings.models.shadow):
        raise ConfigError("promote: which network? Name it, or set models.shadow")
    delta = shadow.promote(settings, name or settings.models.shadow, to)
    sys.stdout.write(f"{delta}: give it to the workers behind the other configuration files\n")
    return 0


@app.command(name="schema")
def write_schemas(
    out: Path = Path("docs/schema"),
    *,
    page: Annotated[Path | None, Parameter(help="Write the page that explains them there, too; out of a checkout.")] = None,
) -> int:
    """Write the JSON Schemas of alerts and camera states, generated from the code."""
    from workers import received  # noqa: PLC0415

    received.write(out)
    if page is not None:
        page.write_text(received.page(), "utf-8")
    return 0


def main() -> None:
    """Run the command line; a mistake of the user's is one clear message and exit status 2."""
    try:
        sys.exit(app())
    except ScenewatchError as error:
        sys.stderr.write(f"scenewatch: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
