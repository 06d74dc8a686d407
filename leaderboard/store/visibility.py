"""Who sees a submission: the one definition that pages, API, exports and authorisation share.

On the board is what is published and not superseded. Public is what is published, or was until its owner
withdrew it. All else belongs to its owner and the reviewers: what waits, what is flagged (withdrawn or not),
and what was rejected, also after it had been published.
"""

from sqlalchemy import and_, exists, or_

from leaderboard.store.models import Event, Submission

PUBLISHED = Submission.state == "published"
ON_BOARD = PUBLISHED & ~Submission.superseded
_WAS_PUBLISHED = exists().where((Event.submission_id == Submission.id) & (Event.state == "published"))
PUBLIC = or_(PUBLISHED, and_(Submission.state == "withdrawn", _WAS_PUBLISHED))
STAYED = "no standard error better than"  # so begins the reason of what is published below its method's best
BACK = "on the board again"  # and of what takes its place again
CHANGES_NOTHING = Event.state.in_(("received", "scoring", "failed"))  # events that no page shows


def is_public(row: Submission) -> bool:
    """The same as PUBLIC, of a row whose session is open."""
    if row.state == "withdrawn":
        return any(event.state == "published" for event in row.events)
    return row.state == "published"
