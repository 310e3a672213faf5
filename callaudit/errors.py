"""The exceptions of callaudit, one class per way of handling them.

::

    CallAuditError
    ├── UserError                exit 2: the author of an input can mend it
    │   ├── ConfigError
    │   ├── RulebookError
    │   └── PhrasebookError
    ├── RecordingError           exit 3: this recording only; a batch records it and goes on
    │   ├── UnreadableAudio
    │   ├── EmptyAudio
    │   ├── TooLong
    │   ├── Incomplete
    │   └── TranscriptionFailed
    └── InfrastructureError      exit 4: nothing can go on; a batch stops and can be resumed
        ├── ModelUnavailable
        └── StoreUnavailable

Messages are one clear Chinese sentence: what is wrong, where, and how to mend it. Every
exception pickles (process pools send them), so none takes required keyword-only arguments.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a text file that a person wrote.

    Attributes:
        path: The file as the user named it.
        line: 1-based line.
        column: 1-based column.
        message: What is wrong and how to mend it, in Chinese.
    """

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class CallAuditError(Exception):
    """Base of everything that callaudit raises on purpose."""

    exit_code = 1

    @property
    def message(self) -> str:
        """The sentence shown to the user."""
        return str(self.args[0]) if self.args else self.__class__.__name__


class UserError(CallAuditError):
    """An input that its author can mend: usage, configuration, rulebook, phrasebook."""

    exit_code = 2

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message, problems)
        self.problems = problems

    def __str__(self) -> str:
        if not self.problems:
            return self.message
        return "\n".join([self.message, *(str(problem) for problem in self.problems)])

    @property
    def message(self) -> str:
        """The sentence without the list of problems."""
        return str(self.args[0])


class ConfigError(UserError):
    """A setting or a command-line value that cannot be used."""


class RulebookError(UserError):
    """A rulebook with mistakes; ``problems`` lists all of them."""


class PhrasebookError(UserError):
    """A phrasebook with mistakes; ``problems`` lists all of them."""


class RecordingError(CallAuditError):
    """This one recording cannot be audited."""

    exit_code = 3


class UnreadableAudio(RecordingError):
    """Not audio, not a permitted format, damaged, or refused for safety."""


class EmptyAudio(RecordingError):
    """A readable file without samples."""


class TooLong(RecordingError):
    """Longer, or with more samples, than the limits allow."""


class Incomplete(RecordingError):
    """The audio ends before the length that its header or metadata promise."""


class TranscriptionFailed(RecordingError):
    """The recogniser failed on this recording."""


class InfrastructureError(CallAuditError):
    """The machine, the model or the store is not usable."""

    exit_code = 4


class ModelUnavailable(InfrastructureError):
    """The recognition model cannot be had or is damaged."""


class StoreUnavailable(InfrastructureError):
    """The store cannot be reached or written."""
