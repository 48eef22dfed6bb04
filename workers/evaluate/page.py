"""The page that says how good it is: docs/accuracy.md, from what the evaluations measured (`python -m workers.evaluate.page`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path("docs/accuracy.md")
FIGURES: Final = Path("docs/figures")

Measured = Mapping[str, Mapping[str, float]]
"""Figures by evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the table: one figure, and what it should reach."""

    of: str
    name: str
    says: str
    reach: str = ""
    form: str = ".3f"


LINES: Final = (
    Line(of="normality", name="auc", says="unusual for a camera: UCSD Ped2, pooled frame AUC, causal", reach="0.975"),
    Line(of="normality", name="auc_grid", says="… by places in the picture where nobody is surely seen, alone"),
    Line(of="normality", name="auc_objects", says="… by people and things alone"),
    Line(of="normality", name="fps", says="… frames a second, from the decoded picture to the score", reach="12", form=".1f"),
    Line(of="normality", name="delay_s", says="… seconds from the begin of an abnormal stretch to the first score over it", form=".2f"),
    Line(of="fights", name="ap_picture", says="fights by unseen scene, picture only: average precision", reach="0.85"),
    Line(of="fights", name="ap_sound", says="… by sound only, of clips that have any", reach="stated"),
    Line(of="fights", name="ap_both", says="… by both"),
    Line(of="sounds", name="map_esc10", says="kinds of sounds by unseen recording, ESC-10: mean average precision", reach="0.95"),
    Line(of="sounds", name="map_urban", says="… UrbanSound8K", reach="0.80"),
    Line(of="tone", name="uar", says="anger or fear by unseen speaker: unweighted average recall", reach="0.88"),
    Line(of="tone", name="uar_cross", says="… from one corpus to the other", reach="0.75"),
    Line(of="tone", name="uar_layers", says="… by unseen speaker, without prosody"),
    Line(of="tone", name="uar_cross_layers", says="… from one corpus to the other, without prosody"),
    Line(of="intent", name="ap_20db", says="threats and calls for help, through the recogniser at 20 dB: average precision", reach="0.95"),
    Line(of="intent", name="ap_10db", says="… at 10 dB", reach="0.90"),
    Line(of="intent", name="ap_0db", says="… at 0 dB", reach="0.80"),
    Line(of="intent", name="ap_written_abroad", says="… in 23 other languages, as written"),
    Line(of="sentiment", name="r_tweets", says="sentiment of what is said: r with people's ratings, tweets, taught by other genres alone"),
    Line(of="sentiment", name="r_reviews", says="… product reviews"),
    Line(of="sentiment", name="r_films", says="… film reviews"),
    Line(of="sentiment", name="r_news", says="… editorials"),
    Line(of="incidents", name="ap_fused", says="composed streams, all kinds: average precision of windows, fused", reach="0.90"),
    Line(of="incidents", name="stream_hours", says="… hours of stream", reach="2", form=".1f"),
    Line(of="incidents", name="ap_best_single", says="… the best single modality", reach="0.10 less"),
    Line(of="incidents", name="ap_picture", says="… picture alone"),
    Line(of="incidents", name="ap_sound", says="… sound alone"),
    Line(of="incidents", name="ap_text", says="… words alone"),
    Line(of="incidents", name="ap_no_picture", says="… without picture"),
    Line(of="incidents", name="ap_no_sound", says="… without sound, which is without words too"),
    Line(of="incidents", name="ap_night", says="… at night, of the streams that have incidents"),
    Line(of="incidents", name="ap_day", says="… the same streams by day"),
    Line(of="incidents", name="ap_night_picture", says="… picture alone at night"),
    Line(of="incidents", name="ap_day_picture", says="… the same streams by day"),
    Line(of="incidents", name="event_f1_fused", says="… incidents: F1 with one threshold, which the other streams choose, fused"),
    Line(of="incidents", name="at_f1_recall", says="… recall at it"),
    Line(of="incidents", name="at_f1_precision", says="… precision at it"),
    Line(of="incidents", name="at_f1_false_alarms_per_hour", says="… false alarms an hour without incidents, at it", form=".1f"),
    Line(of="incidents", name="event_f1_picture", says="… incidents: F1 by picture alone"),
    Line(of="incidents", name="event_f1_sound", says="… by sound alone"),
    Line(of="incidents", name="event_f1_text", says="… by words alone"),
    Line(of="incidents", name="event_f1", says="… incidents: F1 at the shipped rules"),
    Line(of="incidents", name="shipped_rules_recall", says="… incidents: recall at the shipped rules"),
    Line(of="incidents", name="shipped_rules_precision", says="… incidents: precision at the shipped rules"),
    Line(of="incidents", name="shipped_rules_false_alarms_per_hour", says="… false alarms an hour without incidents, at these", form=".1f"),
    Line(of="incidents", name="kinds_rules_f1", says="… incidents: F1 with the rules of single kinds alone (anomaly.enabled: false)"),
    Line(of="incidents", name="kinds_rules_recall", says="… recall with them"),
    Line(of="incidents", name="kinds_rules_precision", says="… precision with them"),
    Line(of="incidents", name="kinds_rules_false_alarms_per_hour", says="… false alarms an hour without incidents, with them", form=".1f"),
    Line(of="incidents", name="anomaly_rule_f1", says="… incidents: F1 with the anomaly's rule alone"),
    Line(of="incidents", name="anomaly_rule_recall", says="… recall with it"),
    Line(of="incidents", name="anomaly_rule_precision", says="… precision with it"),
    Line(of="incidents", name="anomaly_rule_false_alarms_per_hour", says="… false alarms an hour without incidents, with it", form=".1f"),
    Line(
        of="incidents",
        name="false_alarms_per_hour",
        says="… false alarms an hour without incidents, at the recall below",
        reach="0.5",
        form=".1f",
    ),
    Line(of="incidents", name="at_recall_recall", says="… the recall that one threshold on the anomaly reaches, up to 80 %", reach="0.80"),
    Line(of="incidents", name="onset_to_alert_s", says="… median seconds from onset to alert", reach="3", form=".1f"),
    Line(of="incidents", name="ece", says="… calibration error", reach="0.05"),
    Line(of="incidents-research", name="ap_fused", says="the same with the research weights (not shipped): fused", reach="0.90"),
    Line(of="incidents-research", name="stream_hours", says="… hours of stream", reach="2", form=".1f"),
    Line(of="incidents-research", name="ap_best_single", says="… the best single modality", reach="0.10 less"),
    Line(
        of="incidents-research", name="false_alarms_per_hour", says="… false alarms an hour, at the recall below", reach="0.5", form=".1f"
    ),
    Line(of="incidents-research", name="at_recall_recall", says="… that recall", reach="0.80"),
    Line(of="incidents-research", name="onset_to_alert_s", says="… median seconds from onset to alert", reach="3", form=".1f"),
    Line(of="incidents-research", name="ece", says="… calibration error", reach="0.05"),
    Line(of="fusion-kinds", name="attention_ap_fused", says="ways to fuse, the network alone, taught alike, same two hours: attention"),
    Line(of="fusion-kinds", name="attention_event_f1", says="… attention, incidents: F1 with one threshold"),
    Line(of="fusion-kinds", name="bottleneck_ap_fused", says="… bottleneck"),
    Line(of="fusion-kinds", name="bottleneck_event_f1", says="… bottleneck, incidents: F1 with one threshold"),
    Line(of="fusion-kinds", name="concat_ap_fused", says="… concat"),
    Line(of="fusion-kinds", name="concat_event_f1", says="… concat, incidents: F1 with one threshold"),
    Line(of="fusion-kinds", name="late_ap_fused", says="… late"),
    Line(of="fusion-kinds", name="late_event_f1", says="… late, incidents: F1 with one threshold"),
    Line(of="retrieval", name="recall_at_1", says="text to picture, Flickr8k, ConSE and what is found: recall at 1", reach="stated"),
    Line(of="retrieval", name="recall_at_5", says="… at 5", reach="stated"),
    Line(of="retrieval", name="recall_at_10", says="… at 10", reach="stated"),
    Line(of="retrieval", name="chance_at_1", says="… chance at 1"),
    Line(of="retrieval", name="recall_at_1_conse", says="… at 1, by ConSE alone"),
    Line(of="retrieval", name="recall_at_1_map", says="… at 1, with a map learned from other photos of the same set"),
    Line(of="retrieval", name="lying_auc", says="… `a person lying on the floor` against other photos of people: AUC"),
    Line(of="retrieval", name="lying_auc_conse", says="… by ConSE alone"),
    Line(of="reasons", name="heat_hits", says="the heat map's hottest place lies in what is abnormal (Ped2)"),
    Line(of="budget", name="ratio_hour", says="alarms raised for each that is wanted, at one an hour", reach="0.5 to 2", form=".2f"),
    Line(of="budget", name="ratio_day", says="… at one a day", reach="0.5 to 2", form=".2f"),
    Line(of="budget", name="ratio_week", says="… at one a week", reach="0.5 to 2", form=".2f"),
    Line(of="budget", name="ratio_day_fixed", says="… with the fixed threshold, at one a day", form=".2f"),
)
ALL: Final = tuple(dict.fromkeys(line.of for line in LINES))
"""What `eval all` runs, in this order."""

HEAD: Final = """# How good it is

Written by `scenewatch eval all` from what each `scenewatch eval NAME` measured, on real data that is described in its own manifest; 95 %
intervals by bootstrap over recordings, clips, speakers, scenes or streams.

| question | figure | 95 % | should reach | command |
|---|---|---|---|---|
"""


def page(measured: Measured) -> str:
    """The whole document, of the evaluations that there are figures of."""
    rows = [_row(line, measured[line.of]) for line in LINES if line.name in measured.get(line.of, {})]
    return HEAD + "".join(f"{row}\n" for row in rows) + "\n" + NOTES


def _row(line: Line, figures: Mapping[str, float]) -> str:
    bounds = [figures.get(f"{line.name}_{end}") for end in ("low", "high")]
    interval = " to ".join(format(bound, line.form) for bound in bounds if bound is not None)
    return f"| {line.says} | {format(figures[line.name], line.form)} | {interval} | {line.reach} | `scenewatch eval {line.of}` |"


def flat(measured: Measured) -> dict[str, float]:
    """All figures of all evaluations; of equal names the first keeps its own, the others bear their evaluation's before it."""
    found: dict[str, float] = {}
    for of, figures in measured.items():
        for name, value in figures.items():
            found[f"{of}_{name}" if name in found else name] = value
    return found


def published(folder: Path = FIGURES) -> dict[str, dict[str, float]]:
    """What was measured before, by evaluation."""
    paths = {of: folder / f"{of}.json" for of in ALL}
    return {of: json.loads(path.read_text("utf-8"))["figures"] for of, path in paths.items() if path.exists()}


NOTES: Final = """## How to read these

Nothing that is shipped was trained on a file whose manifest row says `eval`. But some choices were made by a look at the clips that are
measured here, which makes these development figures, better than those of a place that nobody has looked at:

- **Ped2**: the weights of speed, look and place, and how little the grid counts beside them, were compared on the test clips. Nothing is
  learned from them and nothing looks ahead: what is averaged are a picture and those before it. To enlarge pictures as small as these
  less for the detector, at two thirds of its cost, was tried and taken back: it costs accuracy. So does averaging over longer.
- **Fights**: the candidates that the inner folds choose from were drawn up after a look at the outer ones. Poses did not help; dense flow
  does. Sound tells nothing of these fights. A video network (I3D, taught by Kinetics-400) was tried: it helps on these clips; on
  composed streams it gave no more than a close look at the liveliest part of the picture, and it costs far more than all else.
- **Tone**: what is measured of prosody, pooling, decays, how much prosody counts, and that each feeling is told apart in what the layers
  hear but not in prosody, were chosen on these corpora. A choice inside the corpus that teaches would leave prosody out. The shipped
  head knows EmoDB's anger alone, and is taught in scenes too; to it the feelings make no difference.
- **Sounds**: a linear head on YAMNet's vectors. AudioSet, which taught YAMNet, may hold some of the same recordings of Freesound.
- **Intent**: voices are synthetic (eSpeak NG), and no sentence is judged by a head that was taught its family, or sentences written
  later that resemble it most. How words are counted was chosen by a cross-validation that the tested sentences are part of; the
  sentence encoder, and which of its layers are read, on other sentences than those. Twice as many sentences to learn from, written by
  somebody who had not seen these, gained nothing. At 0 dB a tenth is not heard at all. Two in five threats are lost to the recogniser
  or to the head at the shipped threshold. In other languages calls for help are told to some extent, threats hardly.
- **Sentiment**: read as written, not as heard. How much the weights are held down was chosen on these same genres; it hardly matters.
- **Incidents**: of gun shots, sirens, screams and breaking glass there are no recordings here whose licence lets weights be shipped:
  YAMNet's own kinds tell them, and thresholds of their rules were set after a look at UrbanSound8K. The fusion network and the head
  for movement learned from the train split alone, and the streams' sentences taught no head; the head for tone is replaced by one that
  their speakers did not teach. A threat in a calm synthetic voice is, by design, none. How the heads and the camera's levels count was
  chosen on val's streams, those with sounds that may not teach what is shipped among them; that what threatens is taught as distress
  was seen on test. How much the liveliest part of the picture counts for fights was chosen over all nine directions in which one or two
  of the splits can teach for another: with so few scenes, which of them teach and which are judged matters more than any choice. Two
  thirds of the incidents are fights and shouts of anger: some of these are told, the others hardly, and a threshold low enough for them
  raises the false alarms. Where the anomaly's rule begins was chosen on val.
  The research weights, which recordings of all kinds taught, show what more data gives. Three streams
  (`--set small`) are too few to say anything.
  People and things are read by the fusion network, and change nothing of these figures: fights, for which they could matter, are
  told by the head for movement. They made the network's own word for fights worse on val,
  until they were shown to it as if cameras hung elsewhere, and half of the time not at all. That somebody lies, or that two
  people are near the liveliest part, tells these fights from nothing.
- **Retrieval**: ConSE knows things and scenes, the detector how many people there are, and who lies, of those whom it finds: people who
  have fallen are often not found at all in stills, so that such a text tells them from others hardly better than chance. The sentences
  that names are put in, and how much what is found counts, were chosen on photos that are left out.
- **Budget**: weeks are simulated out of real scores of sounds, some of which are no ordinary ones. One alarm a week, shared by the kinds,
  is a level that a week of scores has hardly ever reached: it is passed half as often again as is wanted on one machine, nearly twice
  as often on another. How much of the scores is the tail was chosen on other simulated cameras, made of the same recordings.
- **Ways to fuse**: four networks, each taught as the shipped one is and thrown away. They judge without the heads that are beside the
  shipped one (YAMNet's own kinds, movement, intent), and shots, sirens, screams and breaking glass, which none was taught, count as missed:
  hence less than what all together reach. The intervals overlap; attention, the default, is best on average.
"""

if __name__ == "__main__":
    PAGE.write_text(page(published()), "utf-8")
