import unittest

from elevator import DOWN, STILL, UP, Elevator


def cabin(floor, *requests, floors=10):
    elevator = Elevator(floors, floor)
    for request in requests:
        elevator.request(request)
    return elevator


class DownTest(unittest.TestCase):
    def test_all_floors(self):
        self.assertEqual(cabin(9, *range(9)).run(), [8, 7, 6, 5, 4, 3, 2, 1, 0])

    def test_next_stop(self):
        self.assertEqual(cabin(9, 0, 4, 7).next_stop(), 7)

    def test_request_added_on_the_way(self):
        elevator = cabin(9, 1)
        for _ in range(3):
            elevator.step()
        elevator.request(4)
        elevator.request(8)
        self.assertEqual(elevator.next_stop(), 4)
        self.assertEqual(elevator.run(), [4, 1, 8])

    def test_down_after_turning(self):
        self.assertEqual(cabin(4, 5, 1, 2, 3).run(), [5, 3, 2, 1])
        elevator = cabin(4, 9)
        elevator.step()
        for request in (0, 2, 3):
            elevator.request(request)
        self.assertEqual(elevator.run(), [9, 3, 2, 0])

    def test_number_of_steps(self):
        elevator = cabin(6, 4, 1)
        opened = [elevator.step() for _ in range(7)]
        self.assertEqual(opened, [None, None, 4, None, None, None, 1])

    def test_nearest_below_decides(self):
        self.assertEqual(cabin(5, 8, 4, 0).next_stop(), 4)
        self.assertEqual(cabin(5, 8, 4, 0).run(), [4, 0, 8])


class UpTest(unittest.TestCase):
    def test_goes_on_after_each_stop(self):
        elevator = cabin(1, 2, 5, 9)
        while elevator.floor < 2:
            elevator.step()
        elevator.request(0)
        elevator.request(1)
        self.assertEqual(elevator.run(), [2, 5, 9, 1, 0])

    def test_request_behind_at_a_stop(self):
        elevator = cabin(3, 6, 9)
        self.assertEqual([elevator.step() for _ in range(4)], [None, None, None, 6])
        elevator.request(5)
        elevator.step()
        self.assertEqual((elevator.floor, elevator.direction), (7, UP))

    def test_keeps_direction_before_nearer_one(self):
        elevator = cabin(2, 8)
        elevator.step()
        elevator.request(2)
        self.assertEqual(elevator.next_stop(), 8)
        self.assertEqual(elevator.run(), [8, 2])

    def test_tie_goes_up(self):
        elevator = cabin(5, 3, 7)
        elevator.step()
        self.assertEqual((elevator.floor, elevator.direction), (6, UP))

    def test_nearer_above(self):
        self.assertEqual(cabin(5, 6, 3).next_stop(), 6)


class BasicsTest(unittest.TestCase):
    def test_directions_differ(self):
        self.assertEqual(len({DOWN, STILL, UP}), 3)

    def test_idle(self):
        elevator = cabin(3)
        self.assertEqual((elevator.next_stop(), elevator.step(), elevator.run()), (None, None, []))

    def test_pending(self):
        elevator = cabin(3, 9, 1, 9)
        self.assertEqual(elevator.pending, [1, 9])
        elevator.run()
        self.assertEqual(elevator.pending, [])

    def test_still_after_run(self):
        elevator = cabin(3, 1)
        elevator.step()
        self.assertEqual(elevator.direction, DOWN)
        elevator.run()
        self.assertEqual((elevator.floor, elevator.direction), (1, STILL))

    def test_bad_floors(self):
        with self.assertRaises(ValueError):
            Elevator(3, 3)
        for floor in (-1, 10):
            with self.assertRaises(ValueError):
                cabin(0).request(floor)
