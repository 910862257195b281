import unittest

from trafficlight import TrafficLight


class LongStepTest(unittest.TestCase):
    def test_skips_a_phase(self):
        light = TrafficLight()
        self.assertEqual(light.advance(33), ["red+yellow", "green"])
        self.assertEqual((light.colour, light.remaining), ("green", 24))

    def test_two_changes_exactly(self):
        light = TrafficLight()
        self.assertEqual(light.advance(32), ["red+yellow", "green"])
        self.assertEqual(light.remaining, 25)

    def test_whole_cycle(self):
        light = TrafficLight()
        self.assertEqual(light.advance(60), ["red+yellow", "green", "yellow", "red"])
        self.assertEqual((light.colour, light.remaining, light.cycles), ("red", 30, 1))

    def test_many_cycles(self):
        light = TrafficLight()
        self.assertEqual(len(light.advance(60 * 10 + 31)), 41)
        self.assertEqual((light.colour, light.remaining, light.cycles), ("red+yellow", 1, 10))

    def test_step_size_does_not_matter(self):
        slow = TrafficLight()
        states = []
        for _ in range(200):
            slow.advance(1)
            states.append((slow.colour, slow.remaining, slow.cycles))
        for total in range(1, 201):
            quick = TrafficLight()
            quick.advance(total)
            self.assertEqual((quick.colour, quick.remaining, quick.cycles), states[total - 1], total)

    def test_one_phase_only(self):
        light = TrafficLight([("blinking", 2)])
        self.assertEqual(light.advance(7), ["blinking"] * 3)
        self.assertEqual((light.remaining, light.cycles), (1, 3))

    def test_long_step_from_the_middle(self):
        light = TrafficLight([("a", 3), ("b", 1), ("c", 2)])
        light.advance(2)
        self.assertEqual(light.advance(5), ["b", "c", "a"])
        self.assertEqual((light.colour, light.remaining), ("a", 2))


class ShortStepTest(unittest.TestCase):
    def test_no_change(self):
        light = TrafficLight()
        self.assertEqual(light.advance(0), [])
        self.assertEqual(light.remaining, 30)

    def test_one_change_with_rest(self):
        light = TrafficLight()
        self.assertEqual(light.advance(31), ["red+yellow"])
        self.assertEqual(light.remaining, 1)

    def test_phase_by_phase(self):
        light = TrafficLight()
        self.assertEqual([light.advance(n) for n in (30, 2, 25, 3)],
                         [["red+yellow"], ["green"], ["yellow"], ["red"]])
        self.assertEqual(light.cycles, 1)

    def test_fractions(self):
        light = TrafficLight([("a", 1.5), ("b", 0.5)])
        self.assertEqual(light.advance(1.75), ["b"])
        self.assertEqual(light.remaining, 0.25)

    def test_bad_phases(self):
        for phases in ([], [("red", 0)], [("red", 3), ("green", -1)]):
            with self.assertRaises(ValueError):
                TrafficLight(phases)

    def test_negative_step_changes_nothing(self):
        light = TrafficLight()
        light.advance(5)
        with self.assertRaises(ValueError):
            light.advance(-5)
        self.assertEqual(light.remaining, 25)
