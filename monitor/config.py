"""The configuration: one frozen tree that knows no unknown keys, read once, with bounds and a sentence a field."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.environment import VARIABLE
from monitor.hours import zone_of
from monitor.languages import LANGUAGES
from monitor.messages import Phase, Severity


class Section(BaseModel):
    """A part of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Probability = Annotated[float, Field(ge=0, le=1)]


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"Whisper knows no {language!r}; give a code such as en or de, or leave it out")
    return language


def _zone(name: str) -> str:
    zone_of(name)
    return name


Language = Annotated[str, AfterValidator(_known)]


class Camera(Section):
    """One source of picture, sound or both."""

    source: str = Field(min_length=1)
    """rtsp://, http(s)://, udp://, a file, a folder of clips, or a device (/dev/video0). `${NAME}` is read from the environment."""
    fps: float = Field(2.0, gt=0, le=30)
    """Pictures a second that are analysed."""
    width: int = Field(448, ge=64, le=1920)
    """Their width in pixels; never enlarged."""
    picture: bool = True
    """Look at its picture."""
    sound: bool = True
    """Listen to its sound."""
    site: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$")
    """Where it stands: what dashboards group cameras by."""
    language: Language | None = None
    """What is spoken there (ISO 639-1); left out, it is recognised."""
    transport: Literal["tcp", "udp"] = "tcp"
    """RTSP only."""
    decode: Literal["all", "reference", "key"] = "reference"
    """Which frames of the stream are decoded: every one; those that others are predicted from; key frames only."""
    starts_at: float | None = Field(None, ge=0)
    """Files only: the event time of its first frame, seconds since the epoch; left out, the time it is opened."""


class Pressure(Section):
    """When live sources take less because the stages behind do not keep up."""

    enabled: bool = True
    """Take less at all; without it, stages fall behind for as long as they are too slow."""
    lag_s: float = Field(10.0, gt=0)
    """A stage that is so far behind is under pressure …"""
    clear_lag_s: float = Field(4.0, ge=0)
    """… until it is no further behind than this."""
    down_after_s: float = Field(4.0, ge=0.5)
    """Under pressure for so long, and not catching up, one step less is taken …"""
    up_after_s: float = Field(20.0, ge=0.5)
    """… and one step more, after so long without."""
    sound_lag_s: float = Field(300.0, ge=1)
    """Sound is given up only when a stage is so far behind, after picture was."""

    @model_validator(mode="after")
    def _in_order(self) -> Pressure:
        if not self.clear_lag_s < self.lag_s < self.sound_lag_s:
            raise ValueError("these must rise: clear_lag_s < lag_s < sound_lag_s")
        return self


class Spool(Section):
    """Where sound waits while a kafka:// broker is away."""

    folder: str = ""
    """Left out, `spool` in the cache folder ($XDG_CACHE_HOME/scenewatch or ~/.cache/scenewatch)."""
    memory_mb: float = Field(16.0, ge=0, le=4096)
    """So much is kept in memory, of each topic; then …"""
    disk_mb: float = Field(1024.0, ge=0)
    """… on disk; then the oldest sound is dropped and counted. A camera's sound takes 115 MB an hour."""


class Capture(Section):
    """How sources are read; the same for all cameras."""

    stall_s: float = Field(10.0, gt=0)
    """Without a packet for so long, a source is reopened."""
    open_timeout_s: float = Field(10.0, gt=0)
    """Opening may take so long."""
    retry_s: float = Field(1.0, gt=0)
    """First pause before it is opened again; doubles, with jitter, …"""
    retry_max_s: float = Field(60.0, gt=0)
    """… up to this."""
    frames_buffer: int = Field(32, ge=1, le=1000)
    """Pictures that wait for the bus; then the oldest is dropped and counted."""
    sound_buffer_s: float = Field(30.0, ge=1, le=600)
    """Seconds of sound that wait for the bus; then the oldest is dropped and counted."""
    jpeg_quality: int = Field(85, ge=30, le=100)
    """Of the pictures on the bus."""
    unhealthy_s: float = Field(3.0, ge=0.5)
    """A blind or frozen picture is said to be so after this long; silence after ten times as long."""
    flow: bool = False
    """Measure dense flow at each picture, for a fusion network that reads it: `fusion-research` does, the default one doesn't."""
    admission: bool = True
    """Cameras that are added while we run wait until there is capacity for them."""
    pressure: Pressure = Pressure()
    """When less is taken."""
    spool: Spool = Spool()
    """Where sound waits for a broker."""


class Speech(Section):
    """From sound to words."""

    enabled: bool = True
    """Transcribe at all."""
    model: str = "whisper-base"
    """A speech model of the registry."""
    beam_size: int = Field(5, ge=1, le=10)
    """Texts that the decoder follows at once; 1 is greedy, a third less work, and hears less in noise."""
    silence_s: float = Field(0.6, ge=0.1, le=5)
    """So long a pause ends an utterance."""
    max_utterance_s: float = Field(15.0, ge=2, le=28)
    """Longer ones are cut."""
    min_utterance_s: float = Field(0.25, ge=0.05, le=5)
    """Shorter ones are no speech."""
    vad_threshold: Probability = 0.5
    """Silero's probability from which on sound is speech."""
    guard: bool = True
    """Reject invented speech; off for comparison only."""


class Models(Section):
    """Which models of the registry run, and on what."""

    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where the networks run."""
    picture: str = "efficientnet-lite0"
    """A visual encoder of the registry (`scenewatch models`)."""
    sound: str = "yamnet"
    """A sound encoder; `whisper-tiny-encoder` is the other, for fusion networks that were trained with it."""
    text: str = "mpnet-base"
    """A sentence encoder."""
    fusion: str = "fusion-default"
    """A name of the registry, or the path (with a slash) of weights that were trained here."""
    shadow: str = ""
    """Another fusion network, by name or path, that judges beside it: counted and compared (`scenewatch shadow`), and no alert."""
    picture_text: str = ""
    """A SigLIP or CLIP for `alerts.look_for`: a folder, or a hub's repository; left out, what the packages carry is used."""
    tone: bool = True
    """Hear how it is said, not only what; what that costs: `scenewatch bench more`."""
    objects: Literal["auto", "on", "off"] = "auto"
    """Look for people and things in every picture; `auto`: if the weights are there (`scenewatch models --fetch`)."""
    threads: int = Field(0, ge=0, le=64)
    """Threads a model may use; 0 lets it choose."""


class Fusion(Section):
    """When a window of time is judged."""

    window_s: float = Field(4.0, ge=1, le=30)
    """How much past a window holds."""
    hop_s: float = Field(0.5, ge=0.25, le=10)
    """A window ends at every multiple of this."""
    patience_s: float = Field(5.0, ge=0, le=120)
    """Live sources: so long (event time) the faster modality waits for the slower, picture for sound."""
    text_patience_s: float = Field(30.0, ge=0, le=600)
    """Live sources: so long the words may come after the picture."""


class Normality(Section):
    """What is usual for a camera, learned from its own past."""

    enabled: bool = True
    """Judge by it at all: the kinds `unusual_picture` and `unusual_sound`."""
    warm_up_s: float = Field(600.0, ge=10)
    """Seconds of the camera's own picture or sound before it judges; until then `learning`."""
    memory: int = Field(2000, ge=50, le=50_000)
    """Examples kept a camera."""
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Whose hours the hours of the day are: Europe/Berlin; what is usual differs between noon and night."""


class Rule(Section):
    """When a kind of incident is an alert."""

    enabled: bool = True
    """Alert of this kind at all."""
    raise_at: Probability = 0.8
    """The incident begins when the probability reaches this …"""
    clear_at: Probability = 0.5
    """… and ends when it falls below this (hysteresis) …"""
    raise_after: int = Field(2, ge=1, le=100)
    """… in so many windows in a row …"""
    clear_after: int = Field(6, ge=1, le=1000)
    """… or so many in a row."""
    cool_down_s: float = Field(30.0, ge=0)
    """After its end, no new incident of this kind begins for so long."""
    severity: Severity = Severity.WARNING
    """Of its alerts."""
    critical_at: Probability = 0.95
    """From this probability on it is critical, if the rule is a warning."""


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "fight": Rule(raise_at=0.4, clear_at=0.2, raise_after=3),
        "fire": Rule(severity=Severity.CRITICAL, raise_at=0.5, clear_at=0.25, raise_after=3),
        "aggression": Rule(raise_at=0.7, clear_at=0.35, raise_after=4),
        "crying": Rule(severity=Severity.INFO, raise_at=0.3, clear_at=0.15, raise_after=3),
        "gun_shot": Rule(severity=Severity.CRITICAL, raise_at=0.6, clear_at=0.3),
        "scream": Rule(raise_at=0.5, clear_at=0.25),
        "glass_break": Rule(raise_at=0.5, clear_at=0.25),
        "siren": Rule(severity=Severity.INFO, raise_at=0.6, clear_at=0.3),
        "distress": Rule(
            enabled=False, severity=Severity.CRITICAL, raise_at=0.85
        ),  # the next two say which, through a noisy recogniser too
        "threat": Rule(severity=Severity.CRITICAL, raise_at=0.5, raise_after=1),
        "call_for_help": Rule(severity=Severity.CRITICAL, raise_at=0.6, raise_after=1),
        "tense_voice": Rule(enabled=False, severity=Severity.INFO, raise_at=0.5, clear_at=0.3),  # hardly carries to other corpora
        # any of them while none is told, a hint: on val .68 of the incidents are told in place of .43, .88 of the alarms are right, not .95
        "anomaly": Rule(severity=Severity.INFO, raise_at=0.35, clear_at=0.18, cool_down_s=10),
        "unusual_picture": Rule(severity=Severity.INFO, raise_after=3),
        "unusual_sound": Rule(severity=Severity.INFO, raise_after=3),
        "camera:offline": Rule(cool_down_s=0),
        "camera:blind": Rule(cool_down_s=0),
        "camera:frozen": Rule(cool_down_s=0),
        "camera:drift": Rule(raise_after=1, clear_after=1, cool_down_s=0),
        "camera:silent": Rule(cool_down_s=0, severity=Severity.INFO),
    }
)
"""How the rules of some kinds differ from the default rule, before a configuration says otherwise."""


class Phrase(Section):
    """Words that are an alert wherever they are said."""

    phrases: tuple[str, ...] = Field(min_length=1)
    """Compared whole word by whole word, without case, accents and punctuation; `word*` is every word that begins so."""
    severity: Severity = Severity.CRITICAL
    """Of its alerts."""
    min_probability: Probability = 0.2
    """Words that were recognised with less, on average, are not taken for the phrase."""


class Sight(Section):
    """Something that is an alert wherever it is seen, described in words."""

    texts: tuple[Annotated[str, Field(min_length=1, max_length=400)], ...] = Field(min_length=1, max_length=64)
    """Sentences or names that describe it, in English; the one that fits best counts."""
    severity: Severity = Severity.WARNING
    """Of its alerts."""


class Alerts(Section):
    """What becomes an alert."""

    rules: dict[str, Rule] = {}
    """By kind of incident: what differs from the kind's default rule."""
    watch: dict[str, Phrase] = {}
    """Phrases to listen for, by name."""
    look_for: dict[Name, Sight] = {}
    """What to look for, by name; its kind is `sees:<name>`."""
    budget: str | None = Field(None, pattern=r"^\d+(\.\d+)?/(hour|day|week)$")
    """So many alarms a camera are wanted: 1/day, 3/week, 0.5/hour. Left out, each rule's own raise_at holds."""
    budget_kinds: tuple[str, ...] = ()
    """The kinds that share it equally; left out, all that are judged by scores."""
    budget_after_h: float = Field(24.0, ge=1, le=336)
    """Hours of scores before the budget becomes a threshold; until then raise_at holds."""
    budget_least: Probability = 0.0
    """Nothing less probable than this is an alarm, even if the budget would allow it."""
    feedback: str = ""
    """A file that `scenewatch feedback` appends to and that moves the thresholds; all alert workers must see the same."""
    update_s: float = Field(10.0, ge=1)
    """An open incident says how it goes at most so often."""
    cameras: bool = True
    """A camera that is stalled, blind or frozen is an alert too."""
    offline_after_s: float = Field(20.0, ge=0)
    """A camera that can't be opened, or that stalls, is an alert when that has lasted so long."""

    @model_validator(mode="after")
    def _few(self) -> Alerts:
        if self.budget is not None and not 0 < self.budget_per_day <= 240:
            raise ValueError("the budget must be more than none, and 10/hour at most")
        return self

    @property
    def budget_per_day(self) -> float:
        """Alarms a camera and day that are wanted; 0 where there is no budget."""
        count, _, unit = (self.budget or "0/day").partition("/")
        return float(count) * {"hour": 24.0, "day": 1.0, "week": 1 / 7}[unit]

    def rule(self, kind: str) -> Rule:
        """Give the rule of a kind: the default of that kind, changed where the configuration says something."""
        default, given = RULES.get(kind, self._sees(kind)), self.rules.get(kind)
        return default if given is None else default.model_copy(update=given.model_dump(exclude_unset=True))

    @property
    def kinds(self) -> dict[str, Rule]:
        """The kinds of incidents that are known beforehand and may become alerts; a network may judge others."""
        names = dict.fromkeys([*RULES, *self.rules, *(f"sees:{name}" for name in self.look_for)])
        rules = {kind: self.rule(kind) for kind in names}
        for name, phrase in self.watch.items():
            rules[f"phrase:{name}"] = self.rule(f"phrase:{name}").model_copy(update={"severity": phrase.severity})
        return {kind: rule for kind, rule in rules.items() if rule.enabled}

    def _sees(self, kind: str) -> Rule:
        """The default rule of what is looked for, and of any other kind."""
        sight = self.look_for.get(kind.removeprefix("sees:")) if kind.startswith("sees:") else None
        return Rule() if sight is None else Rule(severity=sight.severity, raise_after=3)


class ConsoleSink(Section):
    """Readable lines on the terminal."""

    type: Literal["console"]
    """This kind of sink."""
    colour: Literal["auto", "always", "never"] = "auto"
    """`auto`: on a terminal."""


class JsonlSink(Section):
    """One CloudEvent a line, appended to a file."""

    type: Literal["jsonl"]
    """This kind of sink."""
    path: str
    """The file; made if it is not there."""


def _variable(text: str, otherwise: str = "") -> str:
    """A secret's place, never the secret."""
    if text and not VARIABLE.fullmatch(text):
        raise ValueError(f"a secret does not belong in this file: write ${{NAME}}, a variable of the environment{otherwise}")
    return text


class WebhookSink(Section):
    """An HTTP POST of the CloudEvent (structured mode)."""

    type: Literal["webhook"]
    """This kind of sink."""
    url: str
    """Where it is posted to."""
    headers: dict[str, str] = {}
    """Sent beside; `${NAME}` is read from the environment."""
    secret: Annotated[str, AfterValidator(_variable)] = ""
    """`${NAME}`, read from the environment: `whsec_` and 24 to 64 bytes in base64, with which each request is signed."""
    timeout_s: float = Field(10.0, gt=0)
    """An answer may take so long."""
    attempts: int = Field(8, ge=1)
    """Then it is written to the dead-letter topic."""
    retry_max_s: float = Field(60.0, gt=0)
    """The pause before it is tried again doubles, with jitter, up to this."""


class EvidenceSink(Section):
    """A short film of each alert, its pictures and the event, in a folder of their own."""

    type: Literal["evidence"]
    """This kind of sink."""
    to: str = Field(min_length=1)
    """A path, or s3://bucket/folder (needs scenewatch[s3]; credentials as the AWS command line finds them)."""
    before_s: float = Field(5.0, ge=0, le=120)
    """So much from before the incident is shown, …"""
    after_s: float = Field(5.0, ge=0, le=120)
    """… and so much from after it, for which the film is waited for."""
    max_s: float = Field(60.0, ge=1, le=600)
    """A film is no longer; of a longer incident its begin is shown."""
    phases: tuple[Phase, ...] = Field((Phase.NEW, Phase.END), min_length=1)
    """When in an incident's life a film is made."""


Sink = Annotated[ConsoleSink | JsonlSink | WebhookSink | EvidenceSink, Field(discriminator="type")]


class Metrics(Section):
    """The Prometheus end point."""

    enabled: bool = True
    """Answer /metrics, /healthz and /readyz at all."""
    host: str = "127.0.0.1"
    """The address it listens on; 0.0.0.0 for all, where whoever reaches the port may read it."""
    port: int = Field(9108, ge=0, le=65535)
    """0 takes a free one."""
    max_cameras: int = Field(200, ge=1)
    """More cameras than this share one label, `other`."""


class Security(Section):
    """How a Kafka cluster lets us in; the words are those of every Kafka client."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """What the listener at that port speaks: SSL is TLS, SASL a user name and password."""
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """How the password is proved; PLAIN sends it, so only with SASL_SSL."""
    username: str = ""
    """`${NAME}` is read from the environment."""
    password: Annotated[str, AfterValidator(partial(_variable, otherwise=", or give password_file"))] = ""
    """`${NAME}`, read from the environment; nothing else is taken …"""
    password_file: str = ""
    """… or a file with the password on one line."""
    cafile: str = ""
    """Certificates (PEM) of the authorities that may sign the brokers'; left out, those that the system trusts."""
    certfile: str = ""
    """Our certificate (PEM), if the brokers want one …"""
    keyfile: str = ""
    """… and its key, without a pass phrase; left out, it is in certfile."""

    @model_validator(mode="after")
    def _complete(self) -> Security:
        if self.protocol.startswith("SASL") and not (self.username and bool(self.password) != bool(self.password_file)):
            raise ValueError(f"{self.protocol} needs username, and either password_file or password: ${{NAME}}")
        if self.protocol == "SASL_PLAINTEXT" and self.mechanism == "PLAIN":
            raise ValueError("PLAIN would send the password in the clear: use SASL_SSL, or a SCRAM mechanism")
        return self


class Retention(Section):
    """How long Kafka keeps what; older records are deleted."""

    media_minutes: float = Field(60.0, ge=1)
    """Pictures and sound: evidence is cut from them, and a stage that is further behind loses them …"""
    media_gb: float = Field(20.0, gt=0)
    """… or the newest so many gigabytes of each of the two, if that is less; a replica counts by itself."""
    embeddings_days: float = Field(7.0, gt=0)
    """What the encoders saw and heard: small, without faces; retraining reads them."""
    text_days: float = Field(7.0, gt=0)
    """Scores and transcripts."""
    alerts_days: float = Field(28.0, gt=0)
    """Alerts and dead letters."""


class Kafka(Section):
    """What is asked of a kafka:// bus."""

    partitions: int = Field(8, ge=1, le=1000)
    """Of every topic alike: no more processes of a stage than this have work."""
    replication: int = Field(0, ge=0, le=10)
    """Copies of every record; 0 takes 3, or as many as there are brokers."""
    retention: Retention = Retention()
    """How long it is kept."""
    security: Security = Security()
    """How we are let in."""


class Tracing(Section):
    """How a frame or an utterance became an alert, step by step, told to OpenTelemetry (needs scenewatch[otel])."""

    endpoint: str = Field("", pattern=r"^(https?://.+)?$")
    """Where OTLP over HTTP is taken: http://127.0.0.1:4318/v1/traces; left out, nothing is traced. OTEL_EXPORTER_OTLP_HEADERS is heeded."""
    sample: Probability = 0.01
    """Share of the frames and sounds that are followed."""


class Config(Section):
    """Everything that can be set."""

    bus: str = Field("memory://", pattern=r"^(memory://|kafka://.+)$")
    """memory:// (one process) or kafka://host:port[,host:port…]."""
    topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,60}$")
    """Put before every topic's and group's name on a shared broker."""
    cameras: dict[Name, Camera] = {}
    """By name. They may be added, changed and removed while it runs."""
    capture: Capture = Capture()
    """Reading sources."""
    speech: Speech = Speech()
    """Transcribing."""
    models: Models = Models()
    """The networks."""
    fusion: Fusion = Fusion()
    """Windows of time."""
    normality: Normality = Normality()
    """What is usual."""
    alerts: Alerts = Alerts()
    """What is told, and when."""
    sinks: tuple[Sink, ...] = (ConsoleSink(type="console"),)
    """To whom."""
    metrics: Metrics = Metrics()
    """For Prometheus."""
    tracing: Tracing = Tracing()
    """For OpenTelemetry."""
    kafka: Kafka = Kafka()
    """Of a kafka:// bus."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less important is not logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """One JSON object a line, or readable; auto: readable from `run`, JSON from `worker`."""
