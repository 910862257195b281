import unittest

from elevator import DOWN, STILL, UP, Elevator


def cabin(floor, *requests):
    elevator = Elevator(10, floor)
    for request in requests:
        elevator.request(request)
    return elevator


class ElevatorTest(unittest.TestCase):
    def test_stops_on_the_way_up(self):
        self.assertEqual(cabin(0, 7, 3, 5).run(), [3, 5, 7])

    def test_stops_on_the_way_down(self):
        self.assertEqual(cabin(8, 2, 6).run(), [6, 2])

    def test_goes_on_after_a_stop(self):
        self.assertEqual(cabin(4, 5, 3, 9).run(), [5, 9, 3])

    def test_single_request_below(self):
        elevator = cabin(5, 3)
        elevator.step()
        self.assertEqual((elevator.floor, elevator.direction), (4, DOWN))

    def test_nearer_request_first(self):
        self.assertEqual(cabin(8, 2, 6).next_stop(), 6)
        self.assertEqual(cabin(5, 1, 4, 7).run(), [4, 1, 7])
        self.assertEqual(cabin(5, 3, 7).run(), [7, 3])

    def test_doors_open_at_once(self):
        self.assertEqual(cabin(5, 5).step(), 5)

    def test_nothing_to_do(self):
        elevator = cabin(5)
        self.assertIsNone(elevator.step())
        self.assertEqual((elevator.floor, elevator.direction), (5, STILL))

    def test_keeps_direction(self):
        elevator = cabin(4, 6)
        elevator.step()
        elevator.request(3)
        elevator.request(8)
        self.assertEqual(elevator.direction, UP)
        self.assertEqual(elevator.run(), [6, 8, 3])
