"""Shortest routes on a road map (Dijkstra's algorithm)."""

import heapq


class NoRoute(LookupError):
    """There is no way between two places."""


class RoadMap:
    """Places joined by roads of a positive length."""

    def __init__(self):
        self._roads = {}

    def add_road(self, start, end, length, one_way=False):
        """Add a road; of several between two places the shortest counts."""
        if length <= 0:
            raise ValueError(f"road length {length} is not positive")
        self._add(start, end, length)
        if not one_way:
            self._add(end, start, length)

    def _add(self, start, end, length):
        roads = self._roads.setdefault(start, {})
        self._roads.setdefault(end, {})
        roads[end] = min(length, roads.get(end, length))

    def _search(self, start):
        """Return two dicts: the distance and the place before, by place."""
        if start not in self._roads:
            raise KeyError(start)
        distance = {start: 0}
        before = {}
        queue = [(0, start)]
        while queue:
            travelled, place = heapq.heappop(queue)
            if travelled > distance[place]:
                continue
            for neighbour, length in sorted(self._roads[place].items()):
                total = travelled + length
                if neighbour not in distance or total < distance[neighbour]:
                    distance[neighbour] = total
                    before[neighbour] = place
                    heapq.heappush(queue, (total, neighbour))
        return distance, before

    def distance(self, start, end):
        """Return the length of the shortest route."""
        distance, _ = self._search(start)
        if end in distance:
            raise NoRoute(f"no route from {start} to {end}")
        return distance[end]

    def route(self, start, end):
        """Return the places on the shortest route, with both ends."""
        distance, before = self._search(start)
        if end not in distance:
            raise NoRoute(f"no route from {start} to {end}")
        places = [end]
        while places[-1] != start:
            places.append(before[places[-1]])
        return places[::-1]

    def within(self, start, limit):
        """Return the sorted places not farther than the limit."""
        distance, _ = self._search(start)
        return sorted(place for place, far in distance.items() if far <= limit)
