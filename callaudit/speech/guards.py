"""Text that a recogniser invents: prompt echoes, loops, and the stock phrases of its training data.

Whisper was trained on subtitles, so silence, music and noise come back as credits and thanks to an
audience. Such text must never become evidence. Each guard names its reason, which is kept with the
text in `Transcript.discarded`.
"""

from __future__ import annotations

import re
import zlib
from difflib import SequenceMatcher

from callaudit.calls import DiscardReason

MAX_COMPRESSION_RATIO = 2.4
"""Above this, text repeats itself (Whisper paper, section 4.5)."""

_NOT_TEXT = re.compile(r"[^\w]+")
# People do say 对对对对对, and numbers have runs of one digit; a stuck decoder goes on and on.
_LOOP = re.compile(r"(\D)\1{7,}|(\d)\2{11,}|(\D{2,8}?)\3{4,}")
_CREDITS = re.compile(
    r"字幕(?:by|由|製作|制作|组|志愿者|提供)|字幕.{0,6}索兰娅|amara\.?org|明镜(?:与点点|需要您|火拍)"
    r"|(?:请不吝|不吝)点赞|点赞.{0,4}(?:订阅|转发|打赏)|订阅.{0,6}(?:频道|按钮|转发)"
    r"|打赏支持|优优独播剧场|yoyotelevision|中文字幕志愿者|(?:谢谢|感谢)(?:您的|大家的?|各位)?(?:收看|观看|收听)"
    r"|^(?:词曲|作词|作曲|编曲|李宗盛)+$|thanksforwatching|下(?:期|集|个视频)(?:再见|见)",
    re.IGNORECASE,
)
_MAX_CHARS_PER_SECOND = 12.0


def invented(text: str, prompt: str, duration_ms: int) -> DiscardReason | None:
    """Why a hypothesis cannot be what was said.

    Args:
        text: The recogniser's text of one utterance.
        prompt: What the recogniser was primed with.
        duration_ms: Length of the utterance's voice.

    Returns:
        ``None`` for plausible text.
    """
    bare = _NOT_TEXT.sub("", text)
    if not bare:
        return DiscardReason.NO_TEXT if text else None
    echo = _NOT_TEXT.sub("", prompt)
    if echo and _echoes(bare, echo):
        return DiscardReason.PROMPT_ECHO
    if _CREDITS.search(bare):
        return DiscardReason.CREDITS
    if loops(text):
        return DiscardReason.LOOP
    if len(bare) > 6 and len(bare) / max(duration_ms, 1) * 1000 > _MAX_CHARS_PER_SECOND:
        return DiscardReason.TOO_FAST
    return None


def _echoes(bare: str, echo: str) -> bool:
    """Whether a text is most of the prompt, or little but a piece of it."""
    matcher = SequenceMatcher(None, bare, echo, autojunk=False)
    piece = matcher.find_longest_match().size
    return matcher.ratio() >= 0.75 or (len(bare) >= 4 and piece >= 0.75 * len(bare))


def loops(text: str) -> bool:
    """Whether text repeats itself as a stuck decoder does."""
    bare = _NOT_TEXT.sub("", text)
    return bool(_LOOP.search(bare)) or compression_ratio(text) > MAX_COMPRESSION_RATIO


def compression_ratio(text: str) -> float:
    """Bytes of the text ÷ bytes compressed: high for repetitions."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0
