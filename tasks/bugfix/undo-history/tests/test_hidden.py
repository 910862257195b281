import unittest

from history import History


def recorded(*states, limit=None):
    history = History(states[0], limit)
    for state in states[1:]:
        history.record(state)
    return history


class SavedMarkTest(unittest.TestCase):
    def test_saved_branch_is_lost(self):
        history = recorded("a", "ab")
        history.mark_saved()
        history.undo()
        history.record("ax")
        self.assertTrue(history.is_modified)
        history.undo()
        self.assertTrue(history.is_modified)

    def test_lost_mark_further_along(self):
        history = recorded(0, 1, 2, 3)
        history.mark_saved()
        for _ in range(3):
            history.undo()
        for state in (10, 20, 30, 40):
            history.record(state)
            self.assertTrue(history.is_modified, state)
        history.undo()
        self.assertTrue(history.is_modified)

    def test_saving_again_after_loss(self):
        history = recorded("a", "ab")
        history.mark_saved()
        history.undo()
        history.record("ax")
        history.mark_saved()
        self.assertFalse(history.is_modified)
        history.record("axy")
        self.assertTrue(history.is_modified)
        history.undo()
        self.assertFalse(history.is_modified)

    def test_mark_before_the_branch_stays(self):
        history = recorded(0, 1)
        history.mark_saved()
        history.record(2)
        history.undo()
        history.record(3)
        self.assertTrue(history.is_modified)
        history.undo()
        self.assertFalse(history.is_modified)

    def test_mark_survives_undo_and_redo(self):
        history = recorded(0, 1, 2)
        history.mark_saved()
        history.undo()
        history.undo()
        history.redo()
        self.assertTrue(history.is_modified)
        history.redo()
        self.assertFalse(history.is_modified)

    def test_equal_state_keeps_redo_and_mark(self):
        history = recorded("a", "ab")
        history.mark_saved()
        history.undo()
        history.record("a")
        self.assertTrue(history.can_redo)
        history.redo()
        self.assertFalse(history.is_modified)

    def test_loss_with_limit(self):
        history = recorded(0, 1, 2, limit=3)
        history.mark_saved()
        history.undo()
        history.record(5)
        self.assertTrue(history.is_modified)
        history.record(6)
        self.assertTrue(history.is_modified)
        history.undo()
        self.assertTrue(history.is_modified)

    def test_initial_counts_as_saved(self):
        history = recorded("a", "b")
        history.undo()
        self.assertFalse(history.is_modified)


class LimitTest(unittest.TestCase):
    def test_forgotten_saved_state(self):
        history = recorded(0, 1, 2, 3, limit=2)
        self.assertTrue(history.is_modified)
        self.assertEqual(history.undo(), 2)
        self.assertFalse(history.can_undo)
        self.assertTrue(history.is_modified)

    def test_mark_moves_along(self):
        history = recorded(0, 1, 2, limit=3)
        history.mark_saved()
        history.record(3)
        history.record(4)
        history.undo()
        history.undo()
        self.assertEqual((history.current, history.is_modified), (2, False))

    def test_limit_one(self):
        history = recorded(0, 1, 2, limit=1)
        self.assertEqual((history.current, history.can_undo, history.can_redo), (2, False, False))

    def test_bad_limit(self):
        with self.assertRaises(ValueError):
            History(0, limit=0)


class CursorTest(unittest.TestCase):
    def test_nothing_to_undo(self):
        with self.assertRaises(IndexError):
            History(0).undo()

    def test_nothing_to_redo(self):
        history = recorded(0, 1)
        with self.assertRaises(IndexError):
            history.redo()

    def test_branching(self):
        history = recorded(0, 1, 2, 3)
        history.undo()
        history.undo()
        history.record(9)
        self.assertEqual(history.undo(), 1)
        self.assertEqual(history.undo(), 0)
        self.assertEqual([history.redo(), history.redo()], [1, 9])
        self.assertFalse(history.can_redo)
