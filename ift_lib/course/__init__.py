"""What a learner touches: the report of a run."""

from ift_lib.course.report import write_report

__all__ = ["write_report"]
