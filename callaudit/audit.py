"""The pipeline: the one place that knows the order of the stages.

recording → samples → transcript → phrase hits → verdicts → scorecard → report.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from callaudit import __version__
from callaudit.calls import (
    CallMetadata,
    CallReport,
    CallTimeline,
    Provenance,
    Transcript,
    Verdict,
)
from callaudit.phrases.matcher import Matcher
from callaudit.scoring import score
from callaudit.settings import Settings

if TYPE_CHECKING:
    from callaudit.rulebook import Rulebook
    from callaudit.speech.recognise import Recogniser
    from callaudit.speech.transcribe import AgentChannel, Listener, Prepared

Progress = Callable[[float], None]

NONE_KEPT: Mapping[str, Verdict] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What changes the result of an audit besides the rulebook.

    Attributes:
        model: ``None`` for the starter model, a directory, or a hub name.
        agent_channel: From the command line; wins over metadata.
        threads: CPU threads; ``None`` for all that this process may use. Never changes a verdict.
        device: ``auto``, ``cpu`` or ``cuda``.
        compute_type: Precision of the model.
        max_hours: Longest recording accepted.
    """

    model: str | None = None
    agent_channel: AgentChannel | None = None
    threads: int | None = None
    device: str = "auto"
    compute_type: str = "auto"
    max_hours: float = 4.0

    @classmethod
    def from_settings(
        cls, settings: Settings, agent_channel: AgentChannel | None = None
    ) -> AuditOptions:
        """Options as the settings have them."""
        return cls(
            model=settings.model,
            agent_channel=agent_channel,
            threads=settings.threads,
            device=settings.device,
            compute_type=settings.compute_type,
            max_hours=settings.max_hours,
        )

    @property
    def sha256(self) -> str:
        """Hash of the options that can change a verdict."""
        deciding = {
            "agent_channel": self.agent_channel,
            "compute_type": self.compute_type,
            "device": self.device,
            "recognition": RECOGNITION_VERSION,
        }
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


RECOGNITION_VERSION = 2
"""Raised whenever a change of the code can change what is heard in a recording."""


def available_threads() -> int:
    """CPU cores that this process may use (containers and affinity masks included)."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


class Auditor:
    """Audits calls against one rulebook. The model is loaded when first needed, then kept."""

    def __init__(self, rulebook: Rulebook, options: AuditOptions, cache: Path) -> None:
        """Prepares an auditor.

        Args:
            rulebook: What to judge by.
            options: What else changes the result.
            cache: The user's cache folder (joined models).
        """
        self.rulebook = rulebook
        self.options = options
        self._cache = cache

    @cached_property
    def matcher(self) -> Matcher:
        """Finds the phrases of the rulebook's phrasebooks."""
        return Matcher(self.rulebook.phrasebook, self._cache)

    @cached_property
    def recogniser(self) -> Recogniser:
        """The loaded model.

        Raises:
            ModelUnavailable: There is none.
        """
        from callaudit.speech.models import find_model
        from callaudit.speech.recognise import Recogniser

        return Recogniser(
            find_model(self.options.model, self._cache),
            threads=self.options.threads or available_threads(),
            device=self.options.device,
            compute_type=self.options.compute_type,
        )

    @cached_property
    def listener(self) -> Listener:
        """Hears recordings, several at once if there are several.

        Raises:
            ModelUnavailable: There is no model.
        """
        from callaudit.speech.transcribe import Listener
        from callaudit.speech.weights import load_weights

        return Listener(
            self.recogniser,
            self.matcher,
            load_weights(self.recogniser.info.sha256, self._cache),
        )

    def transcribe(
        self, path: Path, metadata: CallMetadata, progress: Progress | None = None
    ) -> Transcript:
        """Hears one recording.

        Args:
            path: The audio file.
            metadata: For the agent's channel and the promised duration.
            progress: Called with the share of the work that is done, 0–1.

        Raises:
            RecordingError: This recording cannot be heard.
            ModelUnavailable: There is no model.
        """
        return self.listener.transcribe([self.prepare(path, metadata)], progress)[0]

    def prepare(self, path: Path, metadata: CallMetadata) -> Prepared:
        """Decodes a recording, analyses its signals. Raises like `transcribe`; needs no model."""
        from callaudit.audio.decode import AudioLimits, read_recording
        from callaudit.speech.transcribe import prepare

        limits = AudioLimits(max_seconds=round(self.options.max_hours * 3600))
        audio = read_recording(path, limits, expected_ms=metadata.duration_ms)
        threads = self.options.threads or available_threads()
        return prepare(audio, metadata, self.options.agent_channel, threads)

    def judge(self, transcript: Transcript, metadata: CallMetadata, call_id: str) -> CallReport:
        """Judges what was heard; needs neither audio nor model."""
        matches = self.matcher.find(transcript.utterances, transcript.acoustic)
        timeline = CallTimeline(
            transcript=transcript,
            metadata=metadata,
            hits=matches.hits,
            near_misses=matches.near_misses,
        )
        return self.report(timeline, call_id)

    def report(
        self, timeline: CallTimeline, call_id: str, kept: Mapping[str, Verdict] = NONE_KEPT
    ) -> CallReport:
        """Judges a call whose phrases have been found.

        Args:
            timeline: The call.
            call_id: Its name.
            kept: Verdicts of an earlier judgement that are known to hold, by rule.
        """
        verdicts = self.rulebook.judge(timeline, kept)
        return CallReport(
            call_id=call_id,
            timeline=timeline,
            verdicts=verdicts,
            scorecard=score(self.rulebook, verdicts),
            provenance=Provenance(
                callaudit=__version__,
                rulebook_id=self.rulebook.id,
                rulebook_version=self.rulebook.version,
                rulebook_sha256=self.rulebook.sha256,
                model=timeline.transcript.model,
                options_sha256=self.options.sha256,
            ),
        )

    def audit(
        self, path: Path, metadata: CallMetadata, progress: Progress | None = None
    ) -> CallReport:
        """Hears and judges one recording. Raises like `transcribe`."""
        call_id = metadata.call_id or path.stem
        return self.judge(self.transcribe(path, metadata, progress), metadata, call_id)
