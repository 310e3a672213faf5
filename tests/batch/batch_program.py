"""The real command line with the stand-in for the auditor: a program that tests kill.

``python batch_program.py MARKS STAGE=RECORDING… -- batch run FOLDER …``; the stages of
`DialogueAuditors` stop in the worker, ``claiming``, ``claimed``, ``saving`` and ``saved`` in the
parent, inside the open transaction or just after it. ``real-model=`` leaves the model real.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Workers import this module, too: whatever is heavy is imported in the parent only.


def replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def stand_in(
    marks: Path, pauses: dict[str, str], replace: Callable[[Any, str, Any], None] = replace
) -> None:
    """Puts the stand-in where the command line looks for auditor, model and rulebook."""
    from dialogue_auditor import MODEL, DialogueAuditors

    from callaudit import rulebook
    from callaudit.batch import queue, worker
    from callaudit.speech import models
    from callaudit.store import jobs
    from callaudit.store.judgements import RulebookRecord

    auditors = DialogueAuditors(marks, pauses=pauses)
    if "real-model" not in pauses:
        replace(worker, "LocalAuditor", lambda *_: auditors)
        replace(models, "find_model", lambda *_: SimpleNamespace(sha256=MODEL.sha256))
    replace(rulebook, "load_rulebook", lambda _: None)
    replace(RulebookRecord, "of", lambda _: RulebookRecord("c" * 64, "thumb", "1"))
    replace(jobs, "RETRY_AFTER", timedelta(milliseconds=10))
    replace(queue, "LOOK_AGAIN_S", 0.05)


def stop_in_parent(marks: Path, pauses: dict[str, str]) -> None:
    from callaudit.batch import claims, run
    from callaudit.batch.pool import Pool

    for stage, owner, name in (("claiming", claims, "claim"), ("saving", run, "save_call")):
        if stage in pauses:
            replace(owner, name, _then(getattr(owner, name), marks, stage))
    if "claimed" in pauses:
        replace(Pool, "submit", _before(Pool.submit, marks, "claimed"))
    if "saved" in pauses:
        replace(run.Tally, "add", _before(run.Tally.add, marks, "saved"))


def _then(function: Callable[..., Any], marks: Path, stage: str) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        from dialogue_auditor import wait_there

        result = function(*arguments, **options)
        wait_there(marks, stage)
        return result

    return wrapped


def _before(function: Callable[..., Any], marks: Path, stage: str) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        from dialogue_auditor import wait_there

        wait_there(marks, stage)
        return function(*arguments, **options)

    return wrapped


def run_program(arguments: list[str]) -> int:
    from callaudit.cli import main

    place = arguments.index("--")
    marks = Path(arguments[0])
    pauses = dict(text.split("=", 1) for text in arguments[1:place])
    stand_in(marks, pauses)
    stop_in_parent(marks, pauses)
    return main(arguments[place + 1 :])


if __name__ == "__main__":
    sys.exit(run_program(sys.argv[1:]))
