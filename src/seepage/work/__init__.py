"""Where work happens and is kept: the content-addressed store, the engine, and progress."""

from seepage.work.engine import Engine as Engine
from seepage.work.engine import WorkersLost as WorkersLost
from seepage.work.engine import one_thread as one_thread
from seepage.work.engine import parse_engine as parse_engine
from seepage.work.engine import run_items as run_items
from seepage.work.keys import canonical_json as canonical_json
from seepage.work.keys import derive_seed as derive_seed
from seepage.work.keys import work_key as work_key
from seepage.work.progress import Progress as Progress
from seepage.work.progress import RichProgress as RichProgress
from seepage.work.progress import SilentProgress as SilentProgress
from seepage.work.runs import Run as Run
from seepage.work.store import Entry as Entry
from seepage.work.store import Store as Store
