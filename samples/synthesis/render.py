"""From a script to a recording, the telephone system's metadata of it, and its truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthesis.containers import write_recording
from synthesis.layout import Layout, lay_out
from synthesis.script import Line, Script, VoiceRole
from synthesis.sounds import RATE_HZ, hold_music, line_noise, tone
from synthesis.telephone import Audio, to_level, to_line_rate
from synthesis.voice import VOICE_RATE_HZ, Kokoro

Speak = Callable[[str, str, float, int], Audio]


@dataclass(frozen=True)
class Rendered:
    """A call as it was recorded: channels at 8 kHz, and when what is heard."""

    channels: tuple[Audio, ...]
    layout: Layout


class CachedVoices:
    """`Kokoro.speak`, remembered on disk: speech costs most of the time of a rendering."""

    def __init__(self, cache: Path, voices: Path | None) -> None:
        self._cache = cache
        self._given = voices
        self._kokoro: Kokoro | None = None

    def speak(self, text: str, voice: str, speed: float, seed: int) -> Audio:
        """See `Kokoro.speak`."""
        key = hashlib.sha256(f"{text}|{voice}|{speed:.4f}|{seed}".encode()).hexdigest()[:24]
        path = self._cache / "clips" / f"{key}.npy"
        if path.is_file():
            return np.asarray(np.load(path), np.float32)
        if self._kokoro is None:
            self._kokoro = Kokoro(self._cache, self._given)
        audio = self._kokoro.speak(text, voice, speed, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, audio)
        part.replace(path)
        return audio


def render(script: Script, speak: Speak) -> Rendered:
    """Renders a call.

    Args:
        script: What is said.
        speak: Text, voice, speed and seed to trimmed speech at 24 kHz.

    Returns:
        Channels in the order of the file: left, right; or one.
    """
    lines = script.lines()
    clips = [_speak(script, line, speak) for line in lines]
    layout = lay_out(script, [clip.size * 1_000 // RATE_HZ for clip in clips])
    size = layout.duration_ms * RATE_HZ // 1_000
    sides: dict[VoiceRole, Audio] = {
        "agent": np.zeros(size, np.float32),
        "customer": np.zeros(size, np.float32),
    }
    clip_of = {id(line): clip for line, clip in zip(lines, clips, strict=True)}
    for placed in layout.lines:
        _mix(sides[placed.role], clip_of[id(placed.line)], placed.start_ms)
    for number, sound in enumerate(layout.sounds):
        length_ms = sound.end_ms - sound.start_ms
        is_music = sound.kind == "music"
        audio = hold_music(length_ms, script.seed + number) if is_music else tone(length_ms)
        # Tones and music go out to the customer: they are on the side that the agent speaks on.
        _mix(sides["agent"], audio, sound.start_ms)
    return Rendered(_channels(script, sides), layout)


def _speak(script: Script, line: Line, speak: Speak) -> Audio:
    speaker = script.speaker(line.role)
    text = line.spoken or line.text
    seed = int.from_bytes(hashlib.sha256(f"{script.seed}{text}".encode()).digest()[:4], "big")
    audio = speak(text, speaker.voice, speaker.speed * line.speed, seed)
    if audio.size % (VOICE_RATE_HZ // RATE_HZ):
        audio = audio[: -(audio.size % (VOICE_RATE_HZ // RATE_HZ))]
    return to_level(to_line_rate(audio, VOICE_RATE_HZ), speaker.level_dbfs + line.gain_db)


def _mix(side: Audio, audio: Audio, start_ms: int) -> None:
    start = start_ms * RATE_HZ // 1_000
    room = side[start : start + audio.size]
    room += audio[: room.size]


def _channels(script: Script, sides: dict[VoiceRole, Audio]) -> tuple[Audio, ...]:
    agent, customer = sides["agent"], sides["customer"]
    if script.leak_db is not None:
        weaker = np.float32(10 ** (script.leak_db / 20))
        agent, customer = agent + weaker * customer, customer + weaker * agent
    if script.noise_snr_db is not None:
        loudest = max(script.agent.level_dbfs, script.customer.level_dbfs)
        level = loudest - script.noise_snr_db
        agent = agent + line_noise(agent.size, level, 2 * script.seed)
        customer = customer + line_noise(customer.size, level, 2 * script.seed + 1)
    if script.output.layout == "mono":
        return (np.clip(agent + customer, -1, 1),)
    if script.output.layout == "dead-customer":
        customer = np.zeros_like(customer)
    pair = (agent, customer) if script.agent_channel == "left" else (customer, agent)
    return tuple(np.clip(channel, -1, 1) for channel in pair)


def write_call(name: str, script: Script, rendered: Rendered, folder: Path) -> Path:
    """Writes the recording, its metadata and its truth; returns the recording's path."""
    recording = folder / f"{name}.{script.output.suffix}"
    for path in folder.glob(f"{name}.*"):
        path.unlink()  # the script may have asked for another format before
    write_recording(recording, rendered.channels, script.output.format)
    _write_json(folder / f"{name}.json", metadata_of(name, script))
    _write_json(folder / f"{name}.expected.json", truth_of(script, rendered.layout))
    return recording


def metadata_of(name: str, script: Script) -> dict[str, Any]:
    """The sidecar metadata of a call; fields that are not known are left out."""
    stereo = script.output.layout != "mono"
    known: dict[str, Any] = {"call_id": name}
    known |= script.metadata.model_dump(exclude_none=True)
    if script.tell_channel and stereo:
        known["agent_channel"] = script.agent_channel
    return known


def truth_of(script: Script, layout: Layout) -> dict[str, Any]:
    """What is really said in a call, when, and which verdicts are intended."""
    truth = {
        "synthetic": True,
        "description": script.description,
        "voices": {"agent": script.agent.voice, "customer": script.customer.voice},
        "noise_snr_db": script.noise_snr_db,
        "format": script.output.format,
        "layout": script.output.layout,
        "agent_channel": script.agent_channel if script.output.layout != "mono" else "mixed",
        "duration_ms": layout.duration_ms,
        "utterances": [
            {
                "id": number,
                "role": placed.role,
                "start_ms": placed.start_ms,
                "end_ms": placed.end_ms,
                "text": placed.line.text,
            }
            for number, placed in enumerate(layout.lines)
        ],
        "holds": [
            {"start_ms": hold.start_ms, "end_ms": hold.end_ms, "music": hold.music}
            for hold in layout.holds
        ],
        "events": [
            {"kind": sound.kind, "start_ms": sound.start_ms, "end_ms": sound.end_ms}
            for sound in layout.sounds
        ],
        "verdicts": script.expected.verdicts(),
    }
    if script.output.layout == "mono":
        truth["verdicts_without_roles"] = script.expected.verdicts_without_roles()
    return truth


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", "utf-8")
