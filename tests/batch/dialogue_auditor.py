"""An auditor whose recordings are dialogues in text files, judged by two rules of thumb.

Hearing and judging proper have their own tests; here it must only be cheap. Some first lines
make it behave badly, as recordings of the real world do.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from callaudit.batch.worker import Auditing
from callaudit.calls import (
    CallMetadata,
    CallReport,
    CallTimeline,
    CategoryScore,
    Evidence,
    ModelInfo,
    Outcome,
    Provenance,
    Recording,
    Role,
    Scorecard,
    Transcript,
    Utterance,
    Verdict,
)
from callaudit.errors import EmptyAudio, ModelUnavailable

ROLES = {"坐席": Role.AGENT, "客户": Role.CUSTOMER}
Decoded = tuple[Path, bytes]

MODEL = ModelInfo("dialogue", "9" * 64, "text")


@dataclass(frozen=True)
class DialogueAuditors:
    """Makes the auditor in the worker.

    Attributes:
        folder: Where each heard recording leaves a mark, so that tests can count.
        model: Whether there is a model.
        delay_s: How long hearing takes.
        rulebook_sha256: What the verdicts are said to be judged by.
        pauses: Stage → recording at which the first worker that gets there stands still, until it
            is killed, its parent is gone, or a file ``resume-STAGE`` is there (`wait_there`).
    """

    folder: Path
    model: bool = True
    delay_s: float = 0.0
    rulebook_sha256: str = "c" * 64
    pauses: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> Auditing:
        return DialogueAuditor(self)


def _transcript(path: Path, data: bytes) -> Transcript:
    """Lines that begin with a role are said one after the other, 0.2 s per character.

    `callaudit.rulebook.dialogue` reads far more; but every worker would have to load all rules.
    """
    said, end_ms = [], 0
    for line in data.decode().splitlines():
        role, _, words = line.partition(" ")
        if role in ROLES and words:
            begin_ms, end_ms = end_ms + 500, end_ms + 500 + 200 * len(words)
            agent = ROLES[role] is Role.AGENT
            said.append(Utterance(len(said), ROLES[role], int(agent), begin_ms, end_ms, words))
        elif role == "静音":
            end_ms += round(float(words) * 1000)
    digest = hashlib.sha256(data).hexdigest()
    return Transcript(
        Recording(str(path), digest, end_ms, 8000, 2),
        tuple(said),
        role_source="transcript",
        model=MODEL,
    )


def wait_there(folder: Path, stage: str) -> None:
    """Stands still once per stage; ``at-STAGE`` holds the number of the process."""
    try:
        with (folder / f"at-{stage}").open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    parent = os.getppid()
    give_up = time.monotonic() + 120
    while not (folder / f"resume-{stage}").exists() and os.getppid() == parent:
        assert time.monotonic() < give_up, f"nobody came to {stage}"
        time.sleep(0.01)


class DialogueAuditor:
    def __init__(self, made_by: DialogueAuditors) -> None:
        self._made_by = made_by

    def load(self) -> None:
        self._pass("loading", "")
        if not self._made_by.model:
            raise ModelUnavailable("没有模型")

    def prepare(self, path: Path, metadata: CallMetadata) -> Decoded:
        self._pass("decoding", path.name)
        data = path.read_bytes()
        if data.startswith(b"#EMPTY"):
            self._mark(path)
            raise EmptyAudio(f"{path}：文件是空的")
        return path, data

    def transcribe(self, calls: Sequence[Decoded]) -> list[Transcript]:
        return [self._hear(path, data) for path, data in calls]

    def _hear(self, path: Path, data: bytes) -> Transcript:
        self._mark(path)
        self._pass("recognising", path.name)
        text = data.decode()
        time.sleep(self._made_by.delay_s)
        match text.partition("\n")[0]:
            case "#KILL":
                os.kill(os.getpid(), signal.SIGKILL)
            case "#BUG":
                raise ZeroDivisionError("a bug")
            case "#HANG":
                time.sleep(3600)
            case "#NOMODEL":
                raise ModelUnavailable("模型坏了")
        return _transcript(path, data)

    def judge(self, transcript: Transcript, metadata: CallMetadata, call_id: str) -> CallReport:
        self._pass("judging", Path(transcript.recording.path).name)
        verdicts = (
            _verdict("opening-greeting", "您好" in transcript.utterances[0].text, transcript, 10),
            _verdict(
                "forbidden-rude",
                not any("有完没完" in item.text for item in transcript.utterances),
                transcript,
                20,
                auto_fail=True,
            ),
        )
        lost = sum(verdict.points_lost or 0 for verdict in verdicts)
        auto = tuple(verdict.rule for verdict in verdicts if verdict.auto_fail)
        return CallReport(
            call_id,
            CallTimeline(transcript, metadata),
            verdicts,
            Scorecard(
                30 - lost,
                30,
                round(100 * (30 - lost) / 30, 1),
                "不合格" if auto or lost > 12 else "合格",
                auto,
                (),
                {"all": CategoryScore(30 - lost, 30)},
            ),
            Provenance("0", "thumb", "1", self._made_by.rulebook_sha256, MODEL, "d" * 64),
        )

    def _pass(self, stage: str, name: str) -> None:
        if self._made_by.pauses.get(stage) == name:
            wait_there(self._made_by.folder, stage)

    def _mark(self, path: Path) -> None:
        with (self._made_by.folder / "heard.log").open("a", errors="backslashreplace") as file:
            file.write(f"{path.name}\n")


def _verdict(
    rule: str, kept: bool, transcript: Transcript, points: float, *, auto_fail: bool = False
) -> Verdict:
    return Verdict(
        rule=rule,
        title=rule,
        clauses=("7.4.2",),
        category="all",
        outcome=Outcome.PASS if kept else Outcome.FAIL,
        points_lost=0 if kept else points,
        points_max=points,
        reason="合格" if kept else "不合格",
        evidence=(Evidence(0, transcript.recording.duration_ms, Role.AGENT),),
        auto_fail=auto_fail and not kept,
    )
