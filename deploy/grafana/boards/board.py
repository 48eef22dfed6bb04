"""What every board has: variables, links, annotations, and rows of panels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from boards.look import DATASOURCE, Panel

TAG: Final = "scenewatch"

QUERIES: Final = {
    "site": "label_values(scenewatch_camera_info, site)",
    "camera": 'label_values(scenewatch_camera_info{site=~"$site"}, camera)',
    "stage": "label_values(scenewatch_records_in_flight, stage)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where links lead to."""

    runbooks: str = "/public/runbooks"
    """The folder docs/runbooks, as it is published; so, where Grafana itself serves it (deploy/compose.yaml)."""
    console: str = ""
    """What shows alerts and their evidence, such as an index of the evidence folder; without it there is no such link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question, and the panels that answer it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board."""

    name: str
    """Its file, and its address: /d/scenewatch-NAME."""
    title: str
    says: str
    rows: Sequence[Row]
    variables: Sequence[str] = ("site", "camera")
    one: bool = False
    """One camera, not several."""
    since: str = "now-1h"

    def json(self, addresses: Addresses) -> str:
        """The board as Grafana reads it."""
        model = self._built(addresses).build()
        for number, panel in enumerate(model.panels or [], 1):
            panel.id_val = number
        text = json.dumps(model, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
        return json.dumps(_above(json.loads(text)), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def _built(self, addresses: Addresses) -> dashboard.Dashboard:
        built = dashboard.Dashboard(f"Scenewatch / {self.title}").uid(f"scenewatch-{self.name}").description(self.says)
        built = built.tags([TAG]).time(self.since, "now").refresh("30s").timezone("browser").editable()
        built = built.tooltip(DashboardCursorSync.CROSSHAIR).variables(self._variables(addresses))
        built = built.links(_links(addresses)).annotations([_rules_fire(), _incidents(self.variables)])
        for row in self.rows:
            built = built.with_row(dashboard.Row(row.title))
            for panel in row.panels:
                built = built.with_panel(panel)
        return built

    def _variables(self, addresses: Addresses) -> list[Any]:
        source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        return [source, *map(self._choice, self.variables), *_constants(addresses)]

    def _choice(self, name: str) -> dashboard.QueryVariable:
        several = not (self.one and name == "camera")
        choice = dashboard.QueryVariable(name).label(name.capitalize()).query({"query": QUERIES[name], "refId": name})
        choice = choice.definition(QUERIES[name]).datasource(DATASOURCE).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        choice = choice.sort(VariableSort.ALPHABETICAL_ASC).multi(several).include_all(several)
        return choice.all_value(".*").current(VariableOption(text="All", value="$__all", selected=True)) if several else choice


def _constants(addresses: Addresses) -> list[dashboard.ConstantVariable]:
    made = []
    for name, value in (("runbooks", addresses.runbooks), ("console", addresses.console)):
        made.append(dashboard.ConstantVariable(name).value(value))
    return made


def _links(addresses: Addresses) -> list[Any]:
    boards = dashboard.DashboardLink("Boards").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(True)
    found = [boards.keep_time(True).include_vars(True).icon("external link")]
    if addresses.console:
        console = dashboard.DashboardLink("Alerts and evidence").type(DashboardLinkType.LINK).url("${console}").icon("bolt")
        found.append(console.target_blank(True).tooltip("What was seen, heard and said"))
    return found


def _rules_fire() -> dashboard.AnnotationQuery:
    rules = dashboard.AnnotationQuery().name("Rules that fire").datasource(DATASOURCE).icon_color("red").enable(True)
    rules = rules.expr('ALERTS{alertname!="Watchdog", alertstate="firing"}').step("30s")
    return (
        rules.title_format("{{alertname}}")
        .text_format("{{severity}} {{site}} {{camera}} {{stage}} {{instance}}")
        .tag_keys("alertname,severity")
    )


def _incidents(variables: Sequence[str]) -> dashboard.AnnotationQuery:
    cameras = ' and on (camera) scenewatch_camera_info{site=~"$site", camera=~"$camera"}' if "camera" in variables else ""
    begun = f"sum by (camera, severity) (increase(scenewatch_camera_alerts_total[1m]){cameras}) > 0"
    marks = dashboard.AnnotationQuery().name("Incidents begin").datasource(DATASOURCE).icon_color("orange").enable(True)
    return marks.expr(begun).step("1m").title_format("{{severity}} at {{camera}}").text_format("an incident began").tag_keys("severity")


def _above(found: Any) -> Any:
    """Links and annotations stand above the panels, where they are seen, not in a menu, as the SDK would have it."""
    if isinstance(found, dict):
        return {key: _above(value) for key, value in found.items() if key != "placement" or value != "inControlsMenu"}
    return [_above(item) for item in found] if isinstance(found, list) else found
