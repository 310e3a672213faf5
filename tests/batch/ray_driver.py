"""A batch on a cluster as a process of its own: ``ray_driver.py ADDRESS STORE CALLS MARKS``."""

from __future__ import annotations

import sys
from pathlib import Path

from calls import plan
from dialogue_auditor import MODEL

from callaudit.batch.ray_engine import RayEngine
from callaudit.batch.run import run_batch
from callaudit.store.connection import Store

if __name__ == "__main__":
    address, url, calls, marks = sys.argv[1:]
    made = plan(
        Path(calls),
        Path(marks),
        make_engine=RayEngine(address, MODEL.sha256),
        auditors={"delay_s": 0.3},
        workers=2,
    )
    run_batch(Store.open(url), made)
