"""Remove what takes space and is not needed: branches of reverted candidates, images, old files, exports, leftovers.

Rows never change, and kept, stacked and champion branches stay; what was removed of a run is noted in its `gc.json`.
"""

from evolve.maintenance.gc.plan import plan
from evolve.maintenance.gc.removable import PARTS, GcRequest, Removable, RemovalPlan, parse_age, parse_parts
from evolve.maintenance.gc.remove import remove

__all__ = ["PARTS", "GcRequest", "Removable", "RemovalPlan", "parse_age", "parse_parts", "plan", "remove"]
