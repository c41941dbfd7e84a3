"""Reports out of the memory: reads rows of the tables, and hands them to `core.reports`, which reckons."""

from fsapp.records.reports.report import report

__all__ = ["report"]
