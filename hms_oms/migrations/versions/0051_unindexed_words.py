"""The words of new jobs, until the index has them: an index of parts of words costs more than the job."""

from __future__ import annotations

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

# It is empty most of the time, and read as a whole: vacuum is to keep it short.
UPGRADE = """
create table oms.unindexed_words (job_id bigint not null, words text not null)
    with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
-- To check each job again, and lock it, took a third of the time. Retention removes words with their job.
alter table oms.job_search drop constraint job_search_job_id_fkey;
"""
DOWNGRADE = """
insert into oms.job_search select job_id, words from oms.unindexed_words;
drop table oms.unindexed_words;
delete from oms.job_search where not exists (select from oms.jobs where id = job_id);
alter table oms.job_search
    add constraint job_search_job_id_fkey foreign key (job_id) references oms.jobs on delete cascade;
"""


def upgrade() -> None:
    """Add the table, and have the words of the index stand by themselves."""
    op.execute(UPGRADE)


def downgrade() -> None:
    """Index them all at once, and remove the table."""
    op.execute(DOWNGRADE)
