"""Like `DialogueAuditors`, but the recordings are decoded for real; nothing is recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialogue_auditor import MODEL, DialogueAuditor, DialogueAuditors

from callaudit.batch.worker import Auditing
from callaudit.calls import CallMetadata, Recording, Role, Transcript, Utterance


@dataclass(frozen=True)
class AudioAuditors(DialogueAuditors):
    """Makes the auditor in the worker.

    Attributes:
        decoder: A program in place of the decoder, for recordings whose names begin with ``bad``.
    """

    decoder: Path | None = None

    def __call__(self) -> Auditing:
        return AudioAuditor(self, self.decoder)


class AudioAuditor(DialogueAuditor):
    def __init__(self, made_by: DialogueAuditors, decoder: Path | None) -> None:
        super().__init__(made_by)
        self._decoder = decoder

    def prepare(self, path: Path, metadata: CallMetadata) -> Any:
        from callaudit.audio import decode

        real = decode._PROGRAM
        if self._decoder is not None and path.name.startswith("bad"):
            decode._PROGRAM = self._decoder
        try:
            audio = decode.read_recording(path, expected_ms=metadata.duration_ms)
        finally:
            decode._PROGRAM = real
        return Recording(str(path), audio.sha256, audio.duration_ms, 8000, 2)

    def transcribe(self, calls: Sequence[Any]) -> list[Transcript]:
        said = (Utterance(0, Role.AGENT, 0, 0, 500, "您好。"),)
        return [Transcript(recording, said, model=MODEL) for recording in calls]
