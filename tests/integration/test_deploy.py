"""What is in deploy/ is what the tools that will read it understand, and hardened as it says."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployed import CHART, DEPLOY, KUBERNETES, ROOT, Tree, composed, helm, ours, ran, refusal, rendered, tool

from monitor.configfile import load, read, validate
from workers.stage import Stage

VALUES = sorted((CHART / "ci").glob("*.yaml"))
FULL = CHART / "ci" / "full-values.yaml"
WORKLOADS = ("Deployment", "StatefulSet")
SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|^[ \t-]*\w*(?:password|token|secret|api_?key)[ \t]*[:=][ \t]*['\"]?[\w+/-]{6,}",
    re.IGNORECASE | re.MULTILINE,
)


# --- images


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    done = ran(tool("hadolint"), DEPLOY / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_a_number_with_a_health_check_and_everything_it_copies_is_sent_to_the_builder() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    assert "/healthz" in text
    assert 'ENTRYPOINT ["scenewatch"]' in text
    sent = {line.removeprefix("!").partition("/")[0] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {part for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for part in line.split()[:-1]}
    assert {part.partition("/")[0] for part in copied} <= sent
    assert all((ROOT / part).exists() for part in copied)


def test_no_base_image_is_without_a_tag_and_no_digest_is_made_up() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8") + (DEPLOY / "compose.yaml").read_text("utf-8")
    images = re.findall(r"^ARG \w+_IMAGE=(\S+)|image: \$\{\w+_IMAGE:-(\S+)\}", text, re.MULTILINE)
    assert len(images) > 6
    assert all(re.search(r":[\w.-]+$", first or second) and ":latest" not in first + second for first, second in images)
    assert not re.search(r"sha256:[0-9a-f]{64}", text)


# --- compose


def test_compose_understands_its_file_with_and_without_gpus() -> None:
    assert {stage.value for stage in Stage} <= set(composed())
    assert {"encode-gpu", "transcribe-gpu", "fuse-gpu"} == set(composed("gpu")) - set(composed())


def test_every_stage_is_a_service_that_waits_for_its_topics() -> None:
    services = composed()
    for stage in Stage:
        service = services[stage.value]
        assert service["command"][:2] == ["worker", stage.value]
        assert service["depends_on"]["topics"]["condition"] == "service_completed_successfully"
        assert "/readyz" in service["healthcheck"]["test"][-1]
    assert services["capture"]["depends_on"]["camera"]["condition"] == "service_healthy"
    assert services["topics"]["depends_on"]["kafka"]["condition"] == "service_healthy"


def test_nothing_is_published_beyond_loopback_and_nothing_has_more_rights_than_it_needs() -> None:
    services = composed("gpu")
    for name, service in services.items():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ())), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
    for name, service in ours(services).items():
        assert service["read_only"], name
        assert service["user"] == "10001:10001", name


def test_what_compose_mounts_is_here() -> None:
    mounts = [Path(mount["source"]) for service in composed().values() for mount in service.get("volumes", ()) if mount["type"] == "bind"]
    assert mounts
    assert not [str(path) for path in mounts if not path.exists()]


def test_the_configuration_of_compose_is_one() -> None:
    config = load([DEPLOY / "compose" / "scenewatch.yaml", DEPLOY / "compose" / "cameras.yaml"])
    assert set(config.cameras) == {"hall"}
    assert config.capture.spool.folder.startswith("/var/lib/scenewatch")


def test_prometheus_scrapes_every_stage_and_names_the_system_as_elsewhere() -> None:
    told = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())
    scraped = next(job for job in told["scrape_configs"] if job["job_name"] == "scenewatch")["dns_sd_configs"][0]
    stages = {name for name, service in ours(composed("gpu")).items() if service["command"][0] == "worker"}
    assert set(scraped["names"]) == stages
    elsewhere = DEPLOY / "prometheus" / "prometheus.yml"
    if elsewhere.exists():
        assert told["global"]["external_labels"] == yaml.safe_load(elsewhere.read_text())["global"]["external_labels"]
    if promtool := shutil.which("promtool"):
        done = ran(promtool, "check", "config", "--syntax-only", DEPLOY / "compose" / "prometheus.yml")
        assert done.returncode == 0, done.stderr


# --- YAML, and what must not be in any file


def test_yamllint_has_nothing_to_say() -> None:
    done = ran(tool("yamllint"), "--strict", "-c", ROOT / ".yamllint.yaml", "deploy", "configs")
    assert done.returncode == 0, done.stdout


def test_no_secret_is_in_any_file() -> None:
    files = [
        path
        for path in DEPLOY.rglob("*")
        if path.is_file() and path.suffix not in {".json", ".pyc", ".xml"} and "kafka-local" not in str(path)
    ]
    found = [(path.name, match[0]) for path in files for match in SECRETS.finditer(path.read_text("utf-8"))]
    assert not found


# --- the chart


@pytest.fixture(scope="module", params=VALUES, ids=lambda path: path.stem)
def objects(request: pytest.FixtureRequest) -> list[Tree]:
    return rendered([request.param])


@pytest.fixture(scope="module")
def full() -> list[Tree]:
    return rendered([FULL])


def named(objects: list[Tree], kind: str) -> Mapping[str, Tree]:
    return {tree["metadata"]["name"]: tree for tree in objects if tree["kind"] == kind}


def pods(objects: list[Tree]) -> Mapping[str, Tree]:
    made = {tree["metadata"]["name"]: tree["spec"]["template"]["spec"] for tree in objects if tree["kind"] in WORKLOADS}
    return made | {name: tree["spec"] for name, tree in named(objects, "Pod").items()}


def test_helm_lints_the_chart() -> None:
    for values in VALUES:
        done = ran(helm(), "lint", "--strict", CHART, "--values", values)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_would_take_every_object(objects: list[Tree], version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for tree in objects:
        if tree["apiVersion"].partition("/")[0] not in OTHERS:
            kubernetes_validate.validate(tree, version, strict=True)


OTHERS = {"keda.sh": "cloudcoil.models.keda.v1alpha1", "monitoring.coreos.com": "cloudcoil.models.prometheus_operator.v1"}


def test_keda_and_the_prometheus_operator_would_take_theirs(objects: list[Tree]) -> None:
    for tree in objects:
        module = OTHERS.get(tree["apiVersion"].partition("/")[0])
        if module:
            model = getattr(pytest.importorskip(module), tree["kind"]).model_validate(tree)
            assert kept(model.model_dump(by_alias=True, exclude_unset=True, mode="json"), tree) == [], tree["metadata"]["name"]


def kept(found: Any, given: Any, path: str = "") -> list[str]:
    """What a model left out of what it was given: keys that it does not know."""
    if isinstance(given, dict) and isinstance(found, dict):
        gone = [f"{path}.{key}" for key in given if key not in found]
        return gone + [lost for key in given if key in found for lost in kept(found[key], given[key], f"{path}.{key}")]
    if isinstance(given, list) and isinstance(found, list):
        return [lost for n, (before, after) in enumerate(zip(found, given, strict=True)) for lost in kept(before, after, f"{path}[{n}]")]
    return []


def test_every_configuration_in_it_is_one_of_scenewatch(objects: list[Tree], tmp_path: Path) -> None:
    maps = named(objects, "ConfigMap")
    base = tmp_path / "scenewatch.yaml"
    base.write_text(maps["watch-scenewatch"]["data"]["scenewatch.yaml"])
    cameras = [tree["data"]["cameras.yaml"] for tree in maps.values() if "cameras.yaml" in tree["data"]]
    assert cameras
    for text in cameras:
        (tmp_path / "cameras.yaml").write_text(text)
        assert load([base, tmp_path / "cameras.yaml"]).cameras
    validate(*read(base))


def test_no_pod_may_do_more_than_it_needs(objects: list[Tree]) -> None:
    for name, pod in pods(objects).items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"], name


def test_every_stage_has_a_workload_with_probes(objects: list[Tree]) -> None:
    workloads = {tree["metadata"]["labels"]["app.kubernetes.io/component"]: tree for tree in objects if tree["kind"] in WORKLOADS}
    assert set(workloads) == {stage.value for stage in Stage}
    for stage, tree in workloads.items():
        (container,) = tree["spec"]["template"]["spec"]["containers"]
        assert container["args"][:2] == ["worker", stage]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_only_pods_whose_names_last_join_under_them(objects: list[Tree]) -> None:
    for tree in (tree for tree in objects if tree["kind"] in WORKLOADS):
        (container,) = tree["spec"]["template"]["spec"]["containers"]
        assert ("$(POD_NAME)" in container["args"]) == (tree["kind"] == "StatefulSet")


def test_a_group_of_cameras_is_captured_by_one_process(full: list[Tree]) -> None:
    captures = {name: tree["spec"] for name, tree in named(full, "Deployment").items() if "capture" in name}
    assert set(captures) == {"watch-scenewatch-capture-north", "watch-scenewatch-capture-south"}
    assert all(spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"} for spec in captures.values())


def test_secrets_are_named_and_in_no_value(full: list[Tree]) -> None:
    assert not named(full, "Secret")
    text = yaml.safe_dump_all(full)
    assert not SECRETS.search(text)
    assert "${CAMERA_PASSWORD}" in text
    encode = pods(full)["watch-scenewatch-encode"]
    assert {"secretName": "scenewatch-kafka", "defaultMode": 0o440, "items": [{"key": "password", "path": "password"}]} in [
        volume.get("secret") for volume in encode["volumes"]
    ]
    capture = pods(full)["watch-scenewatch-capture-north"]
    assert capture["containers"][0]["envFrom"] == [{"secretRef": {"name": "cameras"}}]


def test_what_scales_by_lag_has_no_fixed_number_of_processes(full: list[Tree]) -> None:
    scaled = {tree["spec"]["scaleTargetRef"]["name"]: tree["spec"] for tree in named(full, "ScaledObject").values()}
    assert set(scaled) == {"watch-scenewatch-encode", "watch-scenewatch-transcribe"}
    workloads = {tree["metadata"]["name"]: tree for tree in full if tree["kind"] in WORKLOADS}
    for name, spec in scaled.items():
        assert workloads[name]["kind"] == spec["scaleTargetRef"]["kind"]
        assert "replicas" not in workloads[name]["spec"]
        assert spec["maxReplicaCount"] <= 32


def test_rules_and_boards_come_along_where_there_are_some(full: list[Tree]) -> None:
    rules, boards = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")), sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
    found = {tree["spec"]["groups"][0]["name"]: tree["spec"] for tree in named(full, "PrometheusRule").values()}
    written = [yaml.safe_load(path.read_text("utf-8")) for path in rules]
    assert found == {told["groups"][0]["name"]: told for told in written}
    assert len([name for name in named(full, "ConfigMap") if "-board-" in name]) == len(boards)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (("kafka.partitions=4", "stages.encode.replicas=5"), "more than kafka.partitions"),
        (("autoscaling.enabled=true", 'autoscaling.stages={"fuse":{"minReplicas":1,"maxReplicas":2}}'), "position in Kafka stays"),
        (("autoscaling.enabled=true", "autoscaling.trigger=prometheus"), "serverAddress is needed"),
        (("kafka.security.protocol=SASL_SSL",), "needs username"),
        (("kafka.partition=4",), "kafka"),
        (("kafka.brokers=http://kafka",), "brokers"),
        (("image.digest=sha256:123",), "digest"),
    ],
)
def test_values_that_would_not_work_are_refused(values: tuple[str, ...], says: str) -> None:
    assert says in refusal(*values)


# --- systemd


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with the command where it is here."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze: apt-get install systemd")
    for path in (DEPLOY / "systemd").iterdir():
        (tmp_path / path.name).write_text(
            path.read_text().replace("/opt/scenewatch/.venv/bin/scenewatch", str(Path(sys.executable).with_name("scenewatch")))
        )
    return tmp_path


@pytest.mark.parametrize("name", ["scenewatch.service", "scenewatch-worker@.service", "scenewatch.target"])
def test_systemd_takes_the_unit(units: Path, name: str) -> None:
    done = ran("systemd-analyze", "verify", "--man=no", units / name)
    about = [line for line in done.stderr.splitlines() if name.partition(".")[0].partition("@")[0] in line]
    assert not about


@pytest.mark.parametrize("name", ["scenewatch.service", "scenewatch-worker@.service"])
def test_systemd_finds_the_unit_hardened(units: Path, name: str) -> None:
    done = ran("systemd-analyze", "security", "--offline=true", "--threshold=20", units / name)
    assert done.returncode == 0, done.stdout[-200:]


def test_the_units_run_commands_that_there_are() -> None:
    text = "".join(path.read_text() for path in (DEPLOY / "systemd").glob("*.service"))
    commands = re.findall(r"^Exec\w+=\S+/scenewatch (\w+)", text, re.MULTILINE)
    assert set(commands) == {"check", "run", "worker"}
