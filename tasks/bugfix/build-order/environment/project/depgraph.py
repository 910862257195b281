"""Dependency graph of build targets."""

import heapq


class CycleError(ValueError):
    """The targets depend on each other in a circle."""

    def __init__(self, targets):
        super().__init__("cycle among: " + ", ".join(targets))
        self.targets = targets


class DependencyGraph:
    """Targets and the targets they need."""

    def __init__(self):
        self._needs = {}
        self._needed_by = {}
        self._open = {}

    def add(self, target, *needs):
        """Add a target and what it needs; may be called again for more."""
        self._ensure(target)
        for need in needs:
            self._ensure(need)
            if need not in self._needs[target]:
                self._needs[target].add(need)
                self._needed_by[need].add(target)
                self._open[target] += 1

    def _ensure(self, target):
        if target not in self._needs:
            self._needs[target] = set()
            self._needed_by[target] = set()
            self._open[target] = 0

    def __len__(self):
        return len(self._needs)

    def order(self):
        """Return all targets, each after those that it needs.

        Among the targets that are ready the alphabetically first comes first.
        """
        waiting = dict(self._open)
        ready = [target for target, count in waiting.items() if count == 0]
        heapq.heapify(ready)
        result = []
        while ready:
            target = heapq.heappop(ready)
            result.append(target)
            for dependent in self._needed_by[target]:
                waiting[dependent] -= 1
                if waiting[dependent] == 0:
                    heapq.heappush(ready, dependent)
        if len(result) < len(self):
            raise CycleError(sorted(t for t, count in waiting.items() if count > 0))
        return result

    def levels(self):
        """Return lists of targets that can be built at the same time."""
        level = {}
        for target in self.order():
            needs = self._needs[target]
            level[target] = 1 + max((level[need] for need in needs), default=-1)
        result = [[] for _ in range(min(level.values(), default=-1) + 1)]
        for target in sorted(level):
            result[level[target]].append(target)
        return result
