import unittest

from history import History


class HistoryTest(unittest.TestCase):
    def test_undo_and_redo(self):
        history = History("a")
        history.record("ab")
        self.assertEqual(history.undo(), "a")
        self.assertEqual(history.redo(), "ab")

    def test_record_drops_redo(self):
        history = History("a")
        history.record("ab")
        history.undo()
        history.record("ax")
        self.assertFalse(history.can_redo)

    def test_saved_state_is_unmodified(self):
        history = History("a")
        history.record("ab")
        self.assertTrue(history.is_modified)
        history.mark_saved()
        self.assertFalse(history.is_modified)

    def test_undo_after_save_modifies(self):
        history = History("a")
        history.record("ab")
        history.mark_saved()
        history.undo()
        self.assertTrue(history.is_modified)

    def test_other_edit_after_save_and_undo(self):
        history = History("a")
        history.record("ab")
        history.mark_saved()
        history.undo()
        history.record("ax")
        self.assertTrue(history.is_modified)

    def test_limit(self):
        history = History(0, limit=2)
        history.record(1)
        history.record(2)
        self.assertEqual(history.undo(), 1)
        self.assertFalse(history.can_undo)
