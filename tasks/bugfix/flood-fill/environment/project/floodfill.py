"""Flood fill on rectangular grids given as lists of lists."""

from collections import deque


def region(grid, row, column):
    """Return the set of cells joined to the given one (4 neighbours)."""
    if not (0 <= row < len(grid) and 0 <= column < len(grid[0])):
        raise IndexError(f"no cell ({row}, {column})")
    height, width = len(grid), len(grid[0])
    colour = grid[row][column]
    seen = {(row, column)}
    queue = deque(seen)
    while queue:
        r, c = queue.popleft()
        for cell in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            y, x = cell
            if not (0 <= y < height and 0 < x < width):
                continue
            if cell not in seen and grid[y][x] == colour:
                seen.add(cell)
                queue.append(cell)
    return seen


def fill(grid, row, column, colour):
    """Return a copy of the grid with one region in another colour."""
    result = [list(line) for line in grid]
    for r, c in region(grid, row, column):
        result[r][c] = colour
    return result


def count_regions(grid):
    """Return the number of regions of equal colour."""
    seen, count = set(), 0
    for r, line in enumerate(grid):
        for c in range(len(line)):
            if (r, c) not in seen:
                seen |= region(grid, r, c)
                count += 1
    return count
