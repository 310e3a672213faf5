"""How reports name what went wrong with a recording, and where a recording stands."""

from __future__ import annotations

KINDS = {
    "UnreadableAudio": "读不了或不是允许的音频",
    "EmptyAudio": "没有声音",
    "TooLong": "太长",
    "Incomplete": "不完整",
    "TranscriptionFailed": "识别失败",
    "BadMetadata": "元数据不能用",
    "Vanished": "文件不见了",
    "Changed": "排队期间内容变了",
    "RecordingError": "不能审核",
    "WorkerDied": "处理时异常退出",
    "ShutAway": "人工隔离",
}
"""By the class of the error that the recording raised."""

STATES = {
    "waiting": "等待",
    "claimed": "处理中",
    "done": "已审核",
    "failed": "失败",
    "quarantined": "已隔离",
}
"""By `callaudit.store.jobs.JobState`."""
