"""nbgrader's settings for a course folder; tools/build_assignment.py puts a copy into each.

Every setting can also be given on the command line: nbgrader autograde prompts_and_masks --Execute.timeout=20
"""

from pathlib import Path

c = get_config()  # noqa: F821  (nbgrader gives it)

c.CourseDirectory.course_id = "instruction-fine-tuning"

# The folder through which assignments go out and come back. nbgrader's own default, /usr/local/share/nbgrader/exchange,
# must be made by the administrator of a shared machine. This one belongs to the course folder: enough for a trial, and
# for a teacher who hands notebooks out and collects them by other means.
c.Exchange.root = str(Path(__file__).resolve().parent / "exchange")

# A cell that runs longer is stopped, counts as failed, and the next one runs. Ours take a few seconds.
c.Execute.timeout = 60

# A test that a student has deleted comes back before grading; otherwise it would count as work not graded.
c.OverwriteCells.add_missing_cells = True
