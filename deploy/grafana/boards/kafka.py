"""The bus, as its clients see it."""

from __future__ import annotations

from boards.asked import STAGES
from boards.board import Board, Row
from boards.look import LAG, NONE_IS_GOOD, Column, Frame, ask, lines, mapped, now, numbers, rows, timeline, to_board

AWAY = mapped({0: ("there", "green"), 1: ("away", "red")})
MEMORY = "memory://"
"""What the cluster's numbers are without a cluster."""

CLUSTER = Row(
    title="Is the cluster whole?",
    panels=(
        numbers(
            Frame(
                title="Brokers",
                says="Brokers that the cluster's metadata lists. None on memory://, and while no broker answers.",
                width=6,
                height=4,
                steps=((None, "red"), (1, "green")),
                unknown=MEMORY,
                books=["BrokerAway"],
            ),
            now("max(scenewatch_broker_nodes)"),
        ),
        numbers(
            Frame(
                title="Lack a copy",
                says="Partitions of our topics of which a copy is behind or away. One more broker lost may stop the system.",
                width=6,
                height=4,
                steps=((None, "green"), (1, "orange")),
                unknown=MEMORY,
                books=["BrokerUnderReplicated"],
            ),
            now("max(scenewatch_broker_partitions_under_replicated)"),
        ),
        numbers(
            Frame(
                title="Have no leader",
                says="Partitions of our topics that can be neither read nor written: the cameras that lie in them are not watched.",
                width=6,
                height=4,
                steps=NONE_IS_GOOD,
                unknown=MEMORY,
                books=["BrokerUnderReplicated"],
            ),
            now("max(scenewatch_broker_partitions_offline)"),
        ),
        numbers(
            Frame(
                title="Processes without a broker",
                says="Processes whose records the broker does not take. Frames are dropped, sound waits in the spool.",
                width=6,
                height=4,
                steps=NONE_IS_GOOD,
                unknown="no process",
                books=["BrokerAway"],
            ),
            now("sum(scenewatch_broker_away)"),
        ),
        timeline(
            Frame(
                title="Whether the broker takes what is published",
                says="As each process sees it.",
                unit="none",
                width=12,
                mappings=AWAY,
                steps=((None, "green"), (1, "red")),
                books=["BrokerAway"],
            ),
            ask("max by (instance) (scenewatch_broker_away)", "{{instance}}"),
        ),
        lines(
            Frame(
                title="Partitions in trouble",
                says="Of our topics: without a leader, and with a copy that is behind or away. NaN, so nothing, on memory://.",
                width=12,
                least=0,
                decimals=0,
                steps=NONE_IS_GOOD,
                books=["BrokerUnderReplicated"],
            ),
            ask("max(scenewatch_broker_partitions_offline)", "no leader"),
            ask("max(scenewatch_broker_partitions_under_replicated)", "lack a copy"),
        ),
    ),
)

READ = Row(
    title="Is everything read?",
    panels=(
        rows(
            Frame(
                title="Partitions, the furthest behind first",
                says=(
                    "What each stage has not taken yet, and how far it is behind. One partition alone: a "
                    "camera that gives too much, or a process that hangs."
                ),
                width=12,
                height=9,
                books=["StageLagging"],
                links=[to_board("pipeline", "the pipeline")],
            ),
            ("stage", "partition"),
            Column(name="Records", asks=f"topk(50, max by (stage, partition) (scenewatch_lag_records{{{STAGES}}}))"),
            Column(name="Behind", asks=f"max by (stage, partition) (scenewatch_lag_seconds{{{STAGES}}})", unit="s", steps=LAG, decimals=1),
            worst="Behind",
        ),
        lines(
            Frame(
                title="Records not taken yet",
                says="By stage, of all partitions.",
                height=9,
                least=0,
                decimals=0,
                books=["StageLagging"],
            ),
            ask(f"sum by (stage) (scenewatch_lag_records{{{STAGES}}})", "{{stage}}"),
        ),
        lines(
            Frame(title="Published", says="Records a second that go to each topic.", unit="cps", least=0),
            ask("sum by (topic) (rate(scenewatch_records_published_total[$__rate_interval]))", "{{topic}}"),
        ),
        lines(
            Frame(
                title="Read",
                says="Records a second that are read from each topic; one that several stages read counts several times.",
                unit="cps",
                least=0,
            ),
            ask("sum by (topic) (rate(scenewatch_records_received_total[$__rate_interval]))", "{{topic}}"),
        ),
    ),
)

SPOOL = Row(
    title="What waits, and what is lost",
    panels=(
        lines(
            Frame(
                title="The spool",
                says="How full the spool of each topic is, of what it may hold in memory and on disk (capture.spool). Empty on memory://.",
                unit="percentunit",
                width=8,
                steps=((None, "green"), (0.5, "orange"), (0.9, "red")),
                least=0,
                unknown="no spool",
                books=["SpoolFilling", "BrokerAway"],
            ),
            ask(
                "max by (topic, where) (scenewatch_spool_bytes / on (instance, topic, where) (scenewatch_spool_limit_bytes > 0))",
                "{{topic}}, {{where}}",
            ),
            limit=True,
        ),
        lines(
            Frame(
                title="Lost from the spool",
                says="Each minute: records that found no room, and places in its files that could not be read.",
                width=8,
                least=0,
                decimals=0,
                steps=NONE_IS_GOOD,
                unknown="no spool",
                books=["SpoolFilling"],
            ),
            ask("sum by (topic) (increase(scenewatch_spool_dropped_total[$__interval]))", "no room: {{topic}}"),
            ask("sum by (topic) (increase(scenewatch_spool_broken_total[$__interval]))", "not read: {{topic}}"),
            bars=True,
        ),
        lines(
            Frame(
                title="Dead letters",
                says="Records that could not be used, each minute, by topic.",
                width=8,
                least=0,
                decimals=0,
                steps=NONE_IS_GOOD,
                books=["DeadLetters"],
            ),
            ask("sum by (topic) (increase(scenewatch_dead_letters_total[$__interval]))", "{{topic}}"),
            bars=True,
            stacked=True,
        ),
    ),
)

BOARD = Board(
    name="kafka",
    title="Kafka",
    says="The bus, as its clients see it: whether the cluster is whole, whether everything is read, what waits and what is lost.",
    rows=(CLUSTER, READ, SPOOL),
    variables=("stage",),
)
