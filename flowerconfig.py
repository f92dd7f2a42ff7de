"""Flower's settings; `celery -A workers flower` in this folder finds them by this file's name.

Signed in with the user `hms` and the password in {HMS_HOME}/flower.password, unless FLOWER_BASIC_AUTH or
another of Flower's ways to sign in is set. Read-only: what is to be done is done on the floor.
"""

from tornado.options import options

from hms_floor import subpath
from hms_floor.local import flower, flower_place
from hms_floor.local.listening import url
from hms_oms.runtime import garbage, logs, settings

_settings = settings.load()

# Not by Tornado's own set-up, which adds its colours and a level of its own.
logging = "none"
logs.configure(_settings, "flower")

read_only = True
tasks_columns = flower.columns()
if not options.basic_auth and not options.auth:
    basic_auth = [f"{flower_place.USER}:{flower_place.password(_settings.home)}"]
if _settings.flower_port:
    # Below the floor, which hands on what its readers ask, wherever they are.
    url_prefix = flower_place.prefix(_settings.public_url)
    flower.link(subpath.of(_settings.public_url))
else:
    flower.link(_settings.public_url or _settings.url or url(_settings.floor_host, _settings.floor_port))
flower.count_merged()
flower.pass_over_empty_arguments()
garbage.freeze_loaded()
