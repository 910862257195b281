"""What takes space and can go: branches of candidates that were not taken, images, old files, exports, leftovers.

No row changes and no kept, stacked or champion's branch goes; what was taken of a run is noted in its `gc.json`.
"""

from evolve.maintenance.gc.plan import plan
from evolve.maintenance.gc.removable import PARTS, GcRequest, Removable, RemovalPlan, parse_age, parse_parts
from evolve.maintenance.gc.remove import remove

__all__ = ["PARTS", "GcRequest", "Removable", "RemovalPlan", "parse_age", "parse_parts", "plan", "remove"]
