import io, time
import pytest
from hms_act import ActClient
from hms_oms import settings
from hms_oms.problems import *
from tests.door import standing
HEADER = b"app_id,name,phone,county_fips,crop,acres,amount_requested,submitted_on\n"
def test_big(database, broker, tmp_path):
    with standing(database, broker, tmp_path/"home", settings.Settings().recipes) as door:
        act = ActClient(door.url, door.badge("manager"))
        for n in range(4):
            for what, kind, data in (("farm:grant:v1","x.csv", b"id,name\n"+b"1,Ann\n"*8_000_000), ("no:such:v1","x.csv", HEADER+b"1,Ann\n"*8_000_000), ("farm:grant:v1","x.csv", HEADER+b"1,Ann\n"*60_000_000 if n==0 else None)):
                if data is None: continue
                t=time.time()
                try:
                    got = act.run_cycle(io.BytesIO(data), what, name=kind)
                except DoorError as e:
                    got = repr(e)[:200]
                print(what, len(data), got if isinstance(got,str) else (got.accepted, got.refused, len(got.refused_rows)), time.time()-t)
        rows = HEADER + b"".join(b"%d,Ann Lee,515-555-0142,19153,corn,120,30000,2026-11-20\n" % i for i in range(20000))
        t=time.time(); got=act.run_cycle(io.BytesIO(rows),"farm:grant:v1",name="g.csv"); print(got.accepted, time.time()-t)
