import sys
sys.path.insert(0,'/work/main')
import sqlalchemy as sa
import tests.ops.test_watch as t
orig=t.wait_until
def w(look, what, seconds=20.0):
    import pytest
    try:
        return orig(look, what, seconds)
    except BaseException:
        for c in list(sys._current_frames().values()):
            f=c
            while f:
                if f.f_code.co_name.startswith("test_the_process"):
                    e=f.f_locals["engine"]; crew=f.f_locals["crew"]
                    with e.connect() as con:
                        for q in ("select id,kind,state,token,created_at,due_at,lease_until,cancelled_at,attempts,fault,oms.now() from oms.messages","select id,rule,state,reference,clear_since,resolved_at,page_seq,told_seq,silenced,facts from ops.incidents","select at,incident_id,kind,who from ops.incident_events","select * from ops.beats"):
                            for r in con.execute(sa.text(q)): print(r)
                    print(crew.said("second")[-3000:])
                f=f.f_back
        raise
t.wait_until=w
from tests.ops.test_watch import *
