"""Evidence and wording of reasons: where to listen, what was said, what should have been said."""

from __future__ import annotations

from callaudit.calls import Evidence, Method, PhraseHit, Role, Span, Utterance

QUOTE_MAX_CHARS = 60
ROLE_NAMES = {Role.AGENT: "坐席", Role.CUSTOMER: "客户", Role.UNKNOWN: "未知角色"}


def clock(time_ms: int) -> str:
    """``mm:ss`` from the start of the recording."""
    seconds = time_ms // 1000
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def seconds(duration_ms: float) -> str:
    """A duration as people say it: ``23.4 秒``."""
    return f"{duration_ms / 1000:.1f} 秒"


def shorten(text: str) -> str:
    """A quote that fits on a line."""
    return text if len(text) <= QUOTE_MAX_CHARS else text[: QUOTE_MAX_CHARS - 1] + "…"


def of_hit(hit: PhraseHit, prescribed: str | None = None) -> Evidence:
    """The words in which a phrase was found."""
    return Evidence(
        hit.start_ms,
        hit.end_ms,
        hit.role,
        hit.quote,
        hit.phrase,
        hit.method,
        None if hit.method == "text" else hit.score,
        prescribed,
    )


def of_utterance(utterance: Utterance, method: Method = "text") -> Evidence:
    """A whole utterance."""
    return Evidence(
        utterance.start_ms,
        utterance.end_ms,
        utterance.role,
        shorten(utterance.text),
        method=method,
    )


def of_time(
    span: Span,
    role: Role | None = None,
    quote: str = "",
    method: Method = "timing",
    prescribed: str | None = None,
) -> Evidence:
    """A stretch of time."""
    return Evidence(
        span.start_ms, span.end_ms, role, shorten(quote), method=method, prescribed=prescribed
    )
