import unittest

from jobqueue import JobQueue


def queue(*numbers):
    jobs = JobQueue()
    for number in numbers:
        jobs.push(f"job{number}", number)
    return jobs


def drain(jobs):
    return [jobs.pop()[1] for _ in range(len(jobs))]


SKEWED = (1, 50, 2, 60, 70, 3, 4, 61, 62, 71, 72, 5, 6, 7, 8)


class CancelTest(unittest.TestCase):
    def test_leaf_of_the_heavy_side(self):
        jobs = queue(1, 10, 2, 11, 12, 4, 3)
        jobs.cancel("job12")
        self.assertEqual(drain(jobs), [1, 2, 3, 4, 10, 11])

    def test_each_single_one(self):
        for gone in SKEWED:
            jobs = queue(*SKEWED)
            jobs.cancel(f"job{gone}")
            self.assertEqual(drain(jobs), sorted(set(SKEWED) - {gone}), gone)

    def test_each_pair(self):
        for first in SKEWED:
            for second in SKEWED:
                if first != second:
                    jobs = queue(*SKEWED)
                    jobs.cancel(f"job{first}")
                    jobs.cancel(f"job{second}")
                    self.assertEqual(drain(jobs), sorted(set(SKEWED) - {first, second}))

    def test_moves_up_more_than_one_level(self):
        jobs = queue(*SKEWED)
        jobs.cancel("job61")
        self.assertEqual([jobs.pop()[1] for _ in range(8)], [1, 2, 3, 4, 5, 6, 7, 8])

    def test_last_entry(self):
        jobs = queue(1, 2, 3)
        jobs.cancel("job3")
        self.assertEqual(drain(jobs), [1, 2])

    def test_only_entry(self):
        jobs = queue(1)
        jobs.cancel("job1")
        self.assertEqual(len(jobs), 0)
        self.assertNotIn("job1", jobs)

    def test_unknown_name(self):
        jobs = queue(1, 2)
        with self.assertRaises(KeyError):
            jobs.cancel("job3")
        self.assertEqual(drain(jobs), [1, 2])

    def test_cancelled_name_can_be_pushed_again(self):
        jobs = queue(1, 10, 2, 11, 12, 4, 3)
        jobs.cancel("job11")
        jobs.push("job11", 0)
        self.assertEqual(drain(jobs), [0, 1, 2, 3, 4, 10, 12])

    def test_cancel_then_reschedule(self):
        jobs = queue(1, 10, 2, 11, 12, 4, 3)
        jobs.cancel("job11")
        jobs.reschedule("job1", 20)
        self.assertEqual(drain(jobs), [2, 3, 4, 10, 12, 20])


class QueueTest(unittest.TestCase):
    def test_order(self):
        numbers = [(i * 37) % 101 for i in range(101)]
        self.assertEqual(drain(queue(*numbers)), list(range(101)))

    def test_ties_by_name(self):
        jobs = JobQueue()
        for name in "dbeac":
            jobs.push(name, 7)
        jobs.cancel("c")
        self.assertEqual([jobs.pop() for _ in range(4)], [("a", 7), ("b", 7), ("d", 7), ("e", 7)])

    def test_reschedule_both_ways(self):
        jobs = queue(*SKEWED)
        jobs.reschedule("job1", 65)
        jobs.reschedule("job72", 0)
        self.assertEqual(drain(jobs), sorted((set(SKEWED) - {1, 72}) | {65, 0}))

    def test_reschedule_unknown(self):
        with self.assertRaises(KeyError):
            queue(1).reschedule("other", 3)

    def test_empty(self):
        with self.assertRaises(IndexError):
            JobQueue().pop()
        with self.assertRaises(IndexError):
            JobQueue().peek()

    def test_contains_and_duplicate(self):
        jobs = queue(1, 2)
        self.assertIn("job2", jobs)
        with self.assertRaises(ValueError):
            jobs.push("job2", 5)
        jobs.pop()
        self.assertNotIn("job1", jobs)
