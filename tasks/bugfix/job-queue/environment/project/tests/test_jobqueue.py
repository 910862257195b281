import unittest

from jobqueue import JobQueue


def queue(*numbers):
    jobs = JobQueue()
    for number in numbers:
        jobs.push(f"job{number}", number)
    return jobs


def drain(jobs):
    return [jobs.pop()[1] for _ in range(len(jobs))]


class JobQueueTest(unittest.TestCase):
    def test_pops_in_order(self):
        self.assertEqual(drain(queue(5, 3, 8, 1, 9, 2)), [1, 2, 3, 5, 8, 9])

    def test_equal_priorities_by_name(self):
        jobs = JobQueue()
        for name in "cab":
            jobs.push(name, 1)
        self.assertEqual([jobs.pop()[0] for _ in range(3)], ["a", "b", "c"])

    def test_cancel_first(self):
        jobs = queue(4, 2, 6)
        jobs.cancel("job2")
        self.assertEqual(drain(jobs), [4, 6])

    def test_cancel_keeps_order(self):
        jobs = queue(1, 10, 2, 11, 12, 4, 3)
        jobs.cancel("job11")
        self.assertEqual(drain(jobs), [1, 2, 3, 4, 10, 12])

    def test_reschedule(self):
        jobs = queue(1, 2, 3)
        jobs.reschedule("job3", 0)
        self.assertEqual(jobs.peek(), ("job3", 0))

    def test_push_twice(self):
        with self.assertRaises(ValueError):
            queue(1, 1)
