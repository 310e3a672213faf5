"""callaudit: audits recorded hotline calls against a service regulation, with evidence."""

__version__ = "0.1.0"
