"""Dialogues as text: how tests, the examples in rulebooks and ``callaudit rules try`` write a call.

One line per utterance, the role first; everything else is optional::

    坐席 您好，热电集团，工号027，请问有什么可以帮您？
    客户 00:06.0-00:09.5 我家暖气不热。      # with start and end
    坐席 +0.8 请您稍等片刻好吗？             # 0.8 s after the line before has ended
    坐席? 00:40 嗯那个……                     # a ? marks words that were heard badly
    坐席 00:50-00:53 （听不清）               # voice without any text
    未知 01:00 喂？                          # nobody knows whose voice it is

Other lines say what else is heard: ``静音 20`` lets 20 s pass, ``音乐 00:10-00:40`` is hold music,
``回铃 5`` rings five times, ``忙音 3`` lasts 3 s, ``响度 坐席 00:10-00:13 -12`` sets the loudness
in dBFS, ``普通话 0.3`` how likely the words before are Mandarin, ``结束 01:30`` the length of the
recording, ``单声道`` that there is one channel in which the speakers were told apart by their
voices. ``#`` begins a comment. Without times an utterance follows the one before after 0.5 s and
lasts 0.2 s per character.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace

from callaudit.calls import (
    EventKind,
    LevelTrack,
    Recording,
    Role,
    RoleSource,
    SignalEvent,
    Transcript,
    Utterance,
    Voice,
    Word,
)

PAUSE_MS = 500
CHARACTER_MS = 200
SPEECH_DBFS, SILENCE_DBFS = -28, -70
LEVEL_HOP_MS = 100
HEARD_WELL, HEARD_BADLY = 0.85, 0.2

_ROLES = {"坐席": Role.AGENT, "客户": Role.CUSTOMER, "未知": Role.UNKNOWN}
_CHANNELS = {Role.AGENT: 0, Role.CUSTOMER: 1, Role.UNKNOWN: 0}
_SOUNDS: dict[str, EventKind] = {
    "音乐": "music",
    "忙音": "busy",
    "回铃": "ringback",
    "提示音": "tone",
}
_TIME = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d{1,3})?)|(\d+(?:\.\d{1,3})?)")
_PERIOD = re.compile(r"([\d:.]+)(?:[-–~]([\d:.]+))?(?=\s|$)")
_AFTER = re.compile(r"\+(\d+(?:\.\d+)?)(?=\s|$)")
_NOT_HEARD = re.compile(r"[（(]\s*听不清\s*[）)]")


class DialogueError(ValueError):
    """A line that cannot be understood.

    Attributes:
        line: 1-based line of the dialogue.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(line, message)
        self.line = line

    def __str__(self) -> str:
        return f"第 {self.line} 行：{self.args[1]}"


def parse_time(text: str) -> int:
    """Milliseconds of ``mm:ss.s``, ``h:mm:ss`` or seconds.

    Raises:
        ValueError: It is none of these.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"看不懂时间 {text}，应写成 分:秒，如 01:23.5")
    hours, minutes, seconds, alone = match.groups()
    if alone is not None:
        return round(float(alone) * 1000)
    return round((int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


@dataclass
class _Writer:
    """The call as far as it has been read."""

    clock_ms: int = 0
    end_ms: int | None = None
    utterances: list[Utterance] = field(default_factory=list)
    voice: list[Voice] = field(default_factory=list)
    events: list[SignalEvent] = field(default_factory=list)
    mono: bool = False
    loudness: list[tuple[Role, int, int, int]] = field(default_factory=list)

    def line(self, number: int, text: str) -> None:
        head, _, rest = text.partition(" ")
        rest = rest.strip()
        role = _ROLES.get(head.rstrip("?？"))
        try:
            if role is not None:
                self._speech(role, rest, heard_well=head in _ROLES)
            elif head == "静音":
                self.clock_ms += parse_time(rest)
            elif head == "单声道":
                self.mono = True
            elif head == "结束":
                self.end_ms = parse_time(rest)
            elif head == "响度":
                self._loudness(rest)
            elif head == "普通话":
                self._mandarin(rest)
            elif head in _SOUNDS:
                self._sound(_SOUNDS[head], rest)
            else:
                known = "、".join((*_ROLES, "静音", *_SOUNDS, "响度", "普通话", "单声道", "结束"))
                raise ValueError(f"应以 {known} 开头，写的是 {head}")
        except ValueError as cause:
            raise DialogueError(number, str(cause)) from None

    def _speech(self, role: Role, rest: str, heard_well: bool) -> None:
        start_ms, end_ms, words = self._times(rest)
        if not words:
            raise ValueError("缺少说的话；没有听清就写（听不清）")
        if end_ms is None:
            end_ms = start_ms + max(300, CHARACTER_MS * len(re.sub(r"\W", "", words)))
        channel = _CHANNELS[role]
        self.voice.append(Voice(role, channel, start_ms, end_ms))
        self.clock_ms = max(self.clock_ms, end_ms)
        if _NOT_HEARD.fullmatch(words):
            return
        confidence = HEARD_WELL if heard_well else HEARD_BADLY
        self.utterances.append(
            Utterance(
                len(self.utterances),
                role,
                channel,
                start_ms,
                end_ms,
                words,
                confidence,
                _spread(words, start_ms, end_ms, confidence),
            )
        )

    def _times(self, rest: str) -> tuple[int, int | None, str]:
        after = _AFTER.match(rest)
        if after is not None:
            start_ms = self.clock_ms + round(float(after.group(1)) * 1000)
            return start_ms, None, rest[after.end() :].strip()
        period = _PERIOD.match(rest)
        if period is not None and ":" in period.group(1):
            start_ms = parse_time(period.group(1))
            end_ms = parse_time(period.group(2)) if period.group(2) else None
            if end_ms is not None and end_ms <= start_ms:
                raise ValueError(f"结束时间 {period.group(2)} 不在开始时间 {period.group(1)} 之后")
            return start_ms, end_ms, rest[period.end() :].strip()
        pause_ms = PAUSE_MS if self.voice or self.events else 0
        return self.clock_ms + pause_ms, None, rest

    def _sound(self, kind: EventKind, rest: str) -> None:
        period = _PERIOD.match(rest)
        if period is None:
            raise ValueError("缺少时间，如 音乐 00:10-00:40、回铃 5")
        if kind == "ringback":
            count = int(period.group(1))
            for ring in range(count):
                start_ms = self.clock_ms + 5000 * ring
                self.events.append(SignalEvent(kind, None, start_ms, start_ms + 1000))
            self.clock_ms += 5000 * (count - 1) + 1500
            return
        if period.group(2) is None:
            start_ms = self.clock_ms
            end_ms = start_ms + parse_time(period.group(1))
        else:
            start_ms, end_ms = parse_time(period.group(1)), parse_time(period.group(2))
        self.events.append(SignalEvent(kind, 0, start_ms, end_ms))
        self.clock_ms = max(self.clock_ms, end_ms)

    def _loudness(self, rest: str) -> None:
        parts = rest.split()
        period = _PERIOD.fullmatch(parts[1]) if len(parts) == 3 else None
        if period is None or period.group(2) is None or parts[0] not in _ROLES:
            raise ValueError("应写成 响度 坐席 00:10-00:13 -12")
        start_ms, end_ms = parse_time(period.group(1)), parse_time(period.group(2))
        self.loudness.append((_ROLES[parts[0]], start_ms, end_ms, int(parts[2])))

    def _mandarin(self, rest: str) -> None:
        if not self.utterances:
            raise ValueError("前面还没有说话")
        if not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", rest):
            raise ValueError("应写成 普通话 0.3，0 到 1 之间")
        self.utterances[-1] = replace(self.utterances[-1], mandarin=float(rest))

    def transcript(self, text: str) -> Transcript:
        ends = [voice.end_ms for voice in self.voice]
        ends += [event.end_ms for event in self.events]
        duration_ms = self.end_ms if self.end_ms is not None else max(ends, default=0) + PAUSE_MS
        duration_ms = max([duration_ms, *ends])
        ordered = sorted(self.utterances, key=lambda utterance: (utterance.start_ms, utterance.id))
        known = Role.UNKNOWN not in {voice.role for voice in self.voice}
        source: RoleSource = "separated" if self.mono and known else "transcript"
        return Transcript(
            recording=Recording(
                None,
                hashlib.sha256(text.encode()).hexdigest(),
                duration_ms,
                8000,
                1 if self.mono or not known else 2,
            ),
            utterances=tuple(
                replace(utterance, id=index) for index, utterance in enumerate(ordered)
            ),
            voice=tuple(sorted(self.voice, key=lambda voice: (voice.start_ms, voice.end_ms))),
            events=tuple(sorted(self.events, key=lambda event: event.start_ms)),
            levels=self._levels(duration_ms),
            role_source=source if known else "unknown",
        )

    def _levels(self, duration_ms: int) -> tuple[LevelTrack, ...]:
        if not self.loudness:
            return ()
        tracks = []
        for role in (Role.AGENT, Role.CUSTOMER):
            values = [SILENCE_DBFS] * (-(-duration_ms // LEVEL_HOP_MS))
            spoken = [(v.start_ms, v.end_ms, SPEECH_DBFS) for v in self.voice if v.role == role]
            set_to = [
                (start, end, level) for who, start, end, level in self.loudness if who == role
            ]
            for start_ms, end_ms, level in (*spoken, *set_to):
                for hop in range(
                    start_ms // LEVEL_HOP_MS, min(len(values), end_ms // LEVEL_HOP_MS)
                ):
                    values[hop] = level
            tracks.append(LevelTrack(_CHANNELS[role], role, LEVEL_HOP_MS, tuple(values)))
        return tuple(tracks)


def _spread(text: str, start_ms: int, end_ms: int, confidence: float) -> tuple[Word, ...]:
    """One word per character, evenly over the utterance; punctuation takes no time."""
    characters = re.findall(r"\w\W*|\W+", text)
    step = (end_ms - start_ms) / max(1, len(characters))
    return tuple(
        Word(character, round(start_ms + step * n), round(start_ms + step * (n + 1)), confidence)
        for n, character in enumerate(characters)
    )


def parse_dialogue(text: str) -> Transcript:
    """Reads a dialogue.

    Raises:
        DialogueError: A line is not understood; it says which.
    """
    writer = _Writer()
    for number, line in enumerate(text.splitlines(), 1):
        content = line.split("#", 1)[0].strip()
        if content:
            writer.line(number, content)
    return writer.transcript(text)
