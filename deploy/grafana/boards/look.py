"""How things are shown: colours, mappings, links, and one function for each kind of panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink, ThresholdsConfig
from grafana_foundation_sdk.builders.dashboard import FieldColor as Colouring
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from boards.asked import CODES

Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first has no value."""
Panel = Any
"""A builder of the SDK's: they share their methods, not a class."""

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")

PLAIN: Final[Steps] = ((None, "blue"),)
NONE_IS_GOOD: Final[Steps] = ((None, "green"), (1, "red"))
FEW_ARE_GOOD: Final[Steps] = ((None, "green"), (1, "orange"))
LAG: Final[Steps] = ((None, "green"), (4, "yellow"), (10, "orange"), (300, "red"))
"""Seconds: capture.pressure's clear_lag_s, lag_s and sound_lag_s."""
IN_TIME: Final[Steps] = ((None, "red"), (0.9, "orange"), (0.95, "green"))
"""The objective is 95 %."""
LATE: Final[Steps] = ((None, "green"), (3, "yellow"), (5, "red"))
"""Seconds; the objective is 5."""
LOST: Final[Steps] = ((None, "green"), (0.001, "yellow"), (0.05, "red"))
BUSY: Final[Steps] = ((None, "green"), (0.7, "yellow"), (0.9, "red"))
SURE: Final[Steps] = ((None, "red"), (0.5, "orange"), (0.8, "green"))

COLOURS: Final = {
    "live": "green",
    "ended": "text",
    "silent": "yellow",
    "connecting": "blue",
    "frozen": "purple",
    "blind": "orange",
    "stalled": "red",
}
STEPS: Final = {0: "everything", 1: "half of the frames", 2: "a quarter at most", 3: "sound only", 4: "nothing"}
STEP_COLOURS: Final = ("green", "yellow", "orange", "red", "dark-red")
SEVERITIES: Final = {"info": "blue", "warning": "orange", "critical": "red"}


def mapped(values: Mapping[float, tuple[str, str]], unknown: str = "") -> list[ValueMapping]:
    """Words and colours for values; `unknown` for NaN and for what is absent."""
    options = {
        f"{value:g}": ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(values.items())
    }
    mappings: list[ValueMapping] = [ValueMap(options)] if options else []
    if unknown:
        mappings.append(absent(unknown))
    return mappings


def absent(text: str) -> SpecialValueMap:
    """What is said in place of NaN and of what is absent."""
    found = SpecialValueMap()
    found.options.match = SpecialValueMatch.NULL_AND_NAN
    found.options.result = ValueMappingResult(text=text, color="text", index=99)
    return found


CAMERA_STATES: Final = mapped({code: ("up" if name == "live" else name, COLOURS[name]) for name, code in CODES.items()})
PRESSURE: Final = mapped({step: (text, STEP_COLOURS[step]) for step, text in STEPS.items()})
YES_IS_BAD: Final = mapped({0: ("no", "green"), 1: ("yes", "orange")})
YES_IS_NEWS: Final = mapped({0: ("no", "text"), 1: ("yes", "blue")})

# Links

CAMERA_URL: Final = "/d/scenewatch-camera?${__url_time_range}&${datasource:queryparam}&var-camera="
OF_SERIES: Final = "${__field.labels.camera}"
OF_ROW: Final = "${__data.fields.camera}"


def to_camera(which: str = OF_SERIES) -> DashboardLink:
    """To the board of one camera."""
    return DashboardLink("Look at this camera").url(CAMERA_URL + which)


def to_board(name: str, title: str) -> DashboardLink:
    """To another board, with the same time and the same choices."""
    return DashboardLink(f"See {title}").url(f"/d/scenewatch-{name}?${{__url_time_range}}&${{__all_variables}}")


def run_book(alert: str) -> DashboardLink:
    """To what to do; the title says where the page is, should nobody have published it."""
    return DashboardLink(f"What to do: docs/runbooks/{alert}.md").url(f"${{runbooks}}/{alert}.md").target_blank(True)


# Queries


def ask(expression: str, legend: str = "", *, exemplars: bool = False) -> Dataquery:
    """Over time."""
    query = Dataquery().datasource(DATASOURCE).expr(" ".join(expression.split())).range().legend_format(legend or "__auto")
    return query.exemplar(True) if exemplars else query


def now(expression: str, legend: str = "") -> Dataquery:
    """As it is at the end of the time range: nothing that is gone is shown as if it were there."""
    return Dataquery().datasource(DATASOURCE).expr(" ".join(expression.split())).instant().legend_format(legend or "__auto")


# Panels


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every panel has."""

    title: str
    says: str
    """What is seen, and what to make of it."""
    unit: str = "short"
    width: int = 12
    height: int = 8
    steps: Steps = PLAIN
    mappings: Sequence[ValueMapping] = ()
    unknown: str = ""
    """What stands in place of nothing."""
    decimals: int | None = None
    least: float | None = None
    most: float | None = None
    books: Sequence[str] = ()
    """Alerts whose run books help."""
    links: Sequence[DashboardLink] = ()
    """Of the panel."""
    of_data: Sequence[DashboardLink] = ()
    """Of what is clicked on."""


def numbers(frame: Frame, *queries: Dataquery, all_: bool = False) -> Panel:
    """One large number, or one a series."""
    panel = stat.Panel().color_mode(BigValueColorMode.BACKGROUND if frame.steps is not PLAIN else BigValueColorMode.VALUE)
    panel = panel.graph_mode(BigValueGraphMode.NONE).orientation(VizOrientation.AUTO)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(all_).fields(""))
    return _framed(panel, frame, queries)


def lines(frame: Frame, *queries: Dataquery, stacked: bool = False, limit: bool = False, bars: bool = False) -> Panel:
    """Lines, or bars, over time; `limit` draws the thresholds."""
    panel = (
        timeseries.Panel().legend(_legend()).tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    panel = panel.show_points(VisibilityMode.AUTO).span_nulls(False).line_width(1).fill_opacity(70 if bars else 30 if stacked else 8)
    if bars:
        panel = panel.draw_style(GraphDrawStyle.BARS).interval("1m")
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if limit:
        panel = panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    panel = panel.color_scheme(Colouring().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    return _framed(panel, frame, queries)


def by_severity(panel: Panel) -> Panel:
    """Colours that mean something."""
    for severity, colour in SEVERITIES.items():
        panel = panel.override_by_name(severity, [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def ranking(frame: Frame, query: Dataquery) -> Panel:
    """Bars, one below the other."""
    panel = bargauge.Panel().display_mode(BarGaugeDisplayMode.GRADIENT).orientation(VizOrientation.HORIZONTAL)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    return _framed(panel, frame, [query])


def timeline(frame: Frame, *queries: Dataquery, rows: int = 20) -> Panel:
    """States over time, a row a series, `rows` a page."""
    panel = statetimeline.Panel().merge_values(True).show_value(VisibilityMode.AUTO).row_height(0.85).fill_opacity(80).line_width(0)
    panel = panel.legend(
        common.VizLegendOptions().show_legend(False).display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    )
    panel = panel.per_page(rows).color_scheme(Colouring().mode(FieldColorModeId.THRESHOLDS))
    return _framed(panel, frame, queries)


def buckets(frame: Frame, histogram: str, *, exemplars: bool = False) -> Panel:
    """A histogram over time: how many fell where. `histogram` is a vector of _bucket series, with `le` kept."""
    panel = heatmap.Panel().calculate(False).cell_gap(1).show_value(VisibilityMode.NEVER).interval("1m")
    panel = panel.color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64).exponent(0.5))
    panel = panel.y_axis(heatmap.YAxisConfig().unit(frame.unit)).show_legend()
    panel = panel.tooltip(heatmap.HeatmapTooltip().mode(TooltipDisplayMode.SINGLE).y_histogram(True))
    panel = panel.filter_values(heatmap.FilterValueRange().le(1e-9)).exemplars_color("rgba(31,120,193,0.9)")
    query = ask(histogram, "{{le}}", exemplars=exemplars).format(PromQueryFormat.HEATMAP)
    return _framed(panel, frame, [query])


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: what is asked, and how its values look."""

    name: str
    asks: str
    """An instant vector."""
    unit: str = "short"
    steps: Steps = ()
    mappings: Sequence[ValueMapping] = ()
    decimals: int | None = None
    hidden: bool = False
    """It gives the rows their labels, and no values."""


def rows(frame: Frame, labels: Sequence[str], *columns: Column, link: tuple[str, DashboardLink] | None = None, worst: str = "") -> Panel:
    """A table: a row for each set of labels, a column for each question; `worst` sorts, highest first."""
    panel = table.Panel().show_header(True)
    if worst:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(worst).desc(True)])
    queries = [now(column.asks).format(PromQueryFormat.TABLE) for column in columns]
    values = [f"Value #{letter}" if len(columns) > 1 else "Value" for letter in _letters(len(columns))]
    shown = {value: column.name for value, column in zip(values, columns, strict=True)}
    order = {name: index for index, name in enumerate((*labels, *values))}
    hidden = {value: True for value, column in zip(values, columns, strict=True) if column.hidden}
    organized = {"excludeByName": {"Time": True} | hidden, "indexByName": order, "renameByName": shown, "includeByName": {}}
    panel = panel.transformations([DataTransformerConfig("merge", options={}), DataTransformerConfig("organize", options=organized)])
    for column in columns:
        if not column.hidden:
            panel = panel.override_by_name(column.name, _cells(column))
    if link:
        name, to = link
        made = to.build()
        panel = panel.override_by_name(
            name, [DynamicConfigValue("links", [{"title": made.title, "url": made.url, "targetBlank": made.target_blank}])]
        )
    return _framed(panel, frame, queries)


def rules_that_fire(cameras: str = "") -> Panel:
    """Prometheus' own alerts, each with its run book."""
    frame = Frame(
        title="Rules that fire",
        says=(
            "Prometheus' own alerts now (deploy/prometheus/rules). Watchdog always fires: it proves "
            "that alerting works. A click on a name opens what to do."
        ),
        width=24,
        height=6,
        books=["Watchdog"],
        of_data=[],
    )
    labels = ("alertname", "severity", "site", "camera", "stage", "instance")
    firing = Column(name="Firing", asks=f'count by ({", ".join(labels)}) (ALERTS{{alertstate="firing"{cameras}}})')
    return rows(
        frame, labels, firing, link=("alertname", DashboardLink("What to do").url("${runbooks}/${__value.raw}.md").target_blank(True))
    )


def _cells(column: Column) -> list[DynamicConfigValue]:
    found = [DynamicConfigValue("unit", column.unit)]
    if column.steps:
        found.append(DynamicConfigValue("thresholds", _thresholds(column.steps).build()))
    if column.mappings:
        found.append(DynamicConfigValue("mappings", list(column.mappings)))
    if column.steps or column.mappings:
        found.append(DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if column.decimals is not None:
        found.append(DynamicConfigValue("decimals", column.decimals))
    return found


def _framed(panel: Panel, frame: Frame, queries: Sequence[Dataquery]) -> Panel:
    panel = panel.title(frame.title).description(frame.says).unit(frame.unit).span(frame.width).height(frame.height).datasource(DATASOURCE)
    panel = panel.targets([query.ref_id(letter) for query, letter in zip(queries, _letters(len(queries)), strict=True)])
    panel = panel.thresholds(_thresholds(frame.steps)).links([*map(run_book, frame.books), *frame.links])
    mappings = [*frame.mappings, *([absent(frame.unknown)] if frame.unknown else [])]
    if mappings:
        panel = panel.mappings(mappings)
    if frame.unknown:
        panel = panel.no_value(frame.unknown)
    if frame.decimals is not None:
        panel = panel.decimals(frame.decimals)
    if frame.least is not None:
        panel = panel.min(frame.least)
    if frame.most is not None:
        panel = panel.max(frame.most)
    return panel.data_links(list(frame.of_data)) if frame.of_data else panel


def _thresholds(steps: Steps) -> ThresholdsConfig:
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value, colour) for value, colour in steps])


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
    return legend.calcs(["lastNotNull", "max"]).sort_by("Max").sort_desc(True)


def _letters(count: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:count]
